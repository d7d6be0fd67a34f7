import type { FinishReason, Json } from "../client";
import type { Turn } from "../state/conversation";
import { isOpen, type Run } from "../state/run";
import type { Store } from "../state/store";
import { copy } from "./clipboard";
import { Icon } from "./Icon";
import { Markdown } from "./Markdown";
import { Timeline } from "./Timeline";
import { duration, moment, pretty, tells, turns, wordsOfEnd } from "./wording";

type Props = { turn: Turn; run: Run | undefined; store: Store };

/** What the user said, the agent's work on it, and the answer. */
export function TurnView({ turn, run, store }: Props) {
  const live = run !== undefined && isOpen(run);
  const answer = live ? run.text : (turn.answered?.text ?? run?.text ?? "");
  return (
    <article class="turn" data-run={turn.runId} data-state={run?.state ?? "completed"}>
      {turn.said !== null && (
        <div class="said" title={moment(turn.said.at)}>
          <h3 class="unseen">You said</h3>
          <p dir="auto">{turn.said.text}</p>
        </div>
      )}
      <div class="reply">
        <h3 class="unseen">The agent</h3>
        {run !== undefined && <Forgotten run={run} />}
        {run !== undefined && <Timeline run={run} store={store} />}
        {run?.state === "queued" && !run.stopping && <p class="quiet waiting">Waits for the answer before it.</p>}
        {answer !== "" && <Markdown text={answer} live={live} />}
        {!live && turn.answered !== null && <Output text={answer} output={turn.answered.output} />}
        {!live && turn.answered !== null && <Cut finishReason={turn.answered.finishReason} />}
        {run !== undefined && <End run={run} turn={turn} store={store} answer={answer} />}
      </div>
    </article>
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

/** A long thread goes to the model in part; said once, without alarm. */
function Forgotten({ run }: { run: Run }) {
  const { earlierLeftOut, earlierInShort } = run;
  if (earlierLeftOut + earlierInShort === 0) return null;
  return (
    <p class="quiet forgotten">
      This thread is long.
      {earlierLeftOut > 0 && ` The agent wasn't given ${turns(earlierLeftOut)} of it.`}
      {earlierInShort > 0 && ` Of ${turns(earlierInShort)} it was given the texts alone.`}
    </p>
  );
}

type EndProps = { run: Run; turn: Turn; store: Store; answer: string };

function End({ run, turn, store, answer }: EndProps) {
  if (isOpen(run)) {
    return run.stopping ? (
      <p class="end stopping">Stopping …</p>
    ) : run.state === "running" && answer === "" ? (
      <p class="end working">
        <span class="pulse" aria-hidden="true" />
        <span>Working …</span>
      </p>
    ) : null;
  }
  const took = run.startedAt !== null && run.finishedAt !== null ? duration(Math.max(0, run.finishedAt - run.startedAt)) : "";
  const retry = turn.said;
  return (
    <div class={`end ${run.state}`}>
      {run.state === "completed" && <span>Done{took && ` in ${took}`}</span>}
      {run.state === "stopped" && (
        <span>
          <Icon name="stop" /> Stopped{took && ` after ${took}`}
          {run.stopReason && run.stopReason !== "stopped by the user" ? `: ${run.stopReason}` : ""}
        </span>
      )}
      {run.state === "failed" && (
        <p class="problem" role="alert">
          <strong>The run failed.</strong> {run.error?.message ?? "The server doesn't say why."}
        </p>
      )}
      {run.state === "failed" && retry !== null && run.error?.retryable !== false && (
        <button type="button" class="small" onClick={() => void store.say(run.threadId, retry.text, "queue")}>
          Try again
        </button>
      )}
      {answer !== "" && <CopyAnswer text={answer} />}
    </div>
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
