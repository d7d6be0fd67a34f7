import { useEffect } from "preact/hooks";
import type { FinishReason, Json } from "../client";
import { blocksOf } from "../state/blocks";
import type { Turn } from "../state/conversation";
import { isOpen, type Run } from "../state/run";
import type { Store } from "../state/store";
import { copy } from "./clipboard";
import { Icon } from "./Icon";
import { Markdown } from "./Markdown";
import { Now } from "./Now";
import { Said } from "./Said";
import { Work } from "./Work";
import { clock, duration, modelName, moment, pretty, tells, turns, wordsOfEnd } from "./wording";

/** `earlier`: tries of the same message that failed. `last`: nothing was said after it. */
type Props = { turn: Turn; run: Run | undefined; earlier: Turn[]; last: boolean; store: Store };

/** What the user said, and the agent's answer: texts, and what it thought and did between them, as it came. */
export function TurnView({ turn, run, earlier, last, store }: Props) {
  return (
    <article class="turn" data-run={turn.runId} data-state={run?.state ?? "completed"}>
      {turn.said !== null && <Said text={turn.said.text} at={turn.said.at} />}
      {earlier.map((each) => (
        <Earlier key={each.runId} turn={each} store={store} />
      ))}
      <Reply turn={turn} run={run} last={last} store={store} />
    </article>
  );
}

/** A try that failed and was followed by another: one line, and what there was of an answer. */
export function Earlier({ turn, store }: { turn: Turn; store: Store }) {
  const run = store.runs.get(turn.runId);
  return (
    <details class="earlier" data-run={turn.runId}>
      <summary>Earlier try: {run?.error?.message ?? "it failed"}</summary>
      <Reply turn={turn} run={run} last={false} store={store} />
    </details>
  );
}

type ReplyProps = { turn: Turn; run: Run | undefined; last: boolean; store: Store };

function Reply({ turn, run, last, store }: ReplyProps) {
  const live = run !== undefined && isOpen(run);
  const answer = live ? run.text : (turn.answered?.text ?? run?.text ?? "");
  const blocks = blocksOf(run, answer);
  useEffect(() => {
    if (run !== undefined && run.parts === null) void store.loadParts(run);
  }, [run]);
  return (
    <div class="reply">
      <h2 class="unseen">The agent</h2>
      {run !== undefined && <Forgotten run={run} />}
      {run?.state === "queued" && !run.stopping && <p class="quiet waiting">Waits for the answer before it.</p>}
      {blocks.map((block, index) => {
        const end = index === blocks.length - 1;
        if (block.kind === "text") return <Markdown key={block.key} text={block.text} live={live && end} />;
        return run !== undefined && <Work key={block.key} steps={block.steps} run={run} store={store} last={end} />;
      })}
      {!live && turn.answered !== null && <Output text={answer} output={turn.answered.output} />}
      {!live && turn.answered !== null && <Cut finishReason={turn.answered.finishReason} />}
      {run === undefined ? null : live ? (
        (run.state === "running" || run.stopping) && <Now run={run} store={store} />
      ) : (
        <End run={run} turn={turn} store={store} answer={answer} last={last} />
      )}
    </div>
  );
}

/** The agent's structured output, unless the answer's text tells just that. */
function Output({ text, output }: { text: string; output: Json }) {
  return output === null || tells(text, output) ? null : (
    <section class="output" aria-label="Output">
      <pre tabIndex={0}>{pretty(output)}</pre>
    </section>
  );
}

/** Says of an answer that isn't whole what it is. */
function Cut({ finishReason }: { finishReason: FinishReason }) {
  const what = wordsOfEnd(finishReason);
  return what === null ? null : (
    <p class="cut" role="note" data-finish-reason={finishReason}>
      {what}
    </p>
  );
}

/** A long conversation goes to the model in part; said once, without alarm. */
function Forgotten({ run }: { run: Run }) {
  const { earlierLeftOut, earlierInShort } = run;
  if (earlierLeftOut + earlierInShort === 0) return null;
  return (
    <p class="quiet forgotten">
      This conversation is long.
      {earlierLeftOut > 0 && ` The agent wasn't given ${turns(earlierLeftOut)} of it.`}
      {earlierInShort > 0 && ` Of ${turns(earlierInShort)} it was given the texts alone.`}
    </p>
  );
}

type EndProps = { run: Run; turn: Turn; store: Store; answer: string; last: boolean };

function End({ run, turn, store, answer, last }: EndProps) {
  const took = run.startedAt !== null && run.finishedAt !== null ? duration(Math.max(0, run.finishedAt - run.startedAt)) : "";
  const reason = run.stopReason && run.stopReason !== "stopped by the user" ? `: ${run.stopReason}` : "";
  return (
    <div class={`end ${run.state}`}>
      {run.state === "stopped" && (
        <span class="stopped-by">
          <Icon name="stop" /> Stopped{took && ` after ${took}`}
          {reason}
        </span>
      )}
      {run.state === "failed" && <Failure run={run} turn={turn} store={store} last={last} />}
      {answer !== "" && <CopyAnswer text={answer} />}
      <span class="meta" title={run.finishedAt === null ? undefined : moment(new Date(run.finishedAt).toISOString())}>
        {[
          run.state === "completed" && took && `Done in ${took}`,
          run.model === "offline" ? "Offline agent" : modelName(run.model),
          run.startedAt !== null && clock(run.startedAt),
        ]
          .filter(Boolean)
          .join(" · ")}
      </span>
    </div>
  );
}

type FailureProps = { run: Run; turn: Turn; store: Store; last: boolean };

/** Why there is no answer, and the way on: again where that may help, else with other words. */
function Failure({ run, turn, store, last }: FailureProps) {
  const said = turn.said?.text;
  const mayGoOn = last && said !== undefined && store.outbox.of(run.threadId).length === 0;
  return (
    <>
      <p class="problem">{run.error?.message ?? "The agent failed, and the server doesn't say why."}</p>
      {mayGoOn &&
        (run.error?.retryable ? (
          <button type="button" class="small" onClick={() => void store.sayOnce(run.threadId, said)}>
            Try again
          </button>
        ) : (
          <button type="button" class="small" onClick={() => store.compose(said)}>
            Edit and send again
          </button>
        ))}
    </>
  );
}

function CopyAnswer({ text }: { text: string }) {
  return (
    <button
      type="button"
      class="bare copy"
      aria-label="Copy the answer"
      title="Copy the answer"
      onClick={(event) => {
        const button = event.currentTarget;
        void copy(text).then((copied) => {
          if (!copied) return;
          button.dataset.copied = "";
          setTimeout(() => delete button.dataset.copied, 1500);
        });
      }}
    >
      <Icon name="copy" />
    </button>
  );
}
