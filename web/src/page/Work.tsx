import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Step } from "../state/blocks";
import { isOpen, type Run, type ThinkingPart, type ToolPart } from "../state/run";
import type { Store } from "../state/store";
import { Icon } from "./Icon";
import { duration, pretty, seconds, shortly } from "./wording";

type Props = { steps: Step[]; run: Run; store: Store; last: boolean };

/** What the agent thought and did between two texts. Several tools fold to one line, unless somebody opened it, or
 * something in it; what is under way always stands below. */
export function Work({ steps, run, store, last }: Props) {
  const [chosen, setChosen] = useState<boolean | null>(null);
  const tools = steps.filter((step) => step.kind === "tool");
  const ended = tools.filter((tool) => tool.status !== null || !isOpen(run));
  const folds = ended.length > 1;
  const open = chosen ?? !folds;
  // What is known in short only is asked for once somebody wants to see it.
  const onToggle = (event: Event) => {
    if (!(event.currentTarget as HTMLDetailsElement).open) return;
    setChosen(true);
    void store.loadParts(run);
  };
  return (
    <div class="work">
      {folds && (
        <button type="button" class="work-summary" aria-expanded={open} onClick={() => setChosen(!open)}>
          <Summary tools={ended} />
        </button>
      )}
      <ol aria-label="What the agent did">
        {steps.map((step, index) => {
          const live = isOpen(run) && (step.kind === "tool" ? step.status === null : last && index === steps.length - 1);
          return (
            <li key={step.kind === "tool" ? step.id : index} class={classOf(step, live)} hidden={!open && !live}>
              {step.kind === "thinking" ? (
                <Thought step={step} live={live} onToggle={onToggle} />
              ) : (
                <Tool step={step} live={live} whole={run.whole} onToggle={onToggle} />
              )}
            </li>
          );
        })}
      </ol>
    </div>
  );
}

function classOf(step: Step, live: boolean): string {
  if (step.kind === "thinking") return live ? "step thinking live" : "step thinking";
  return `step tool ${live ? "live" : (step.status ?? "unknown")}`;
}

function Summary({ tools }: { tools: ToolPart[] }) {
  const failed = tools.filter((tool) => tool.status !== "ok").length;
  const names = [...new Set(tools.map((tool) => tool.name))].join(", ");
  const took = tools.reduce((sum, tool) => sum + (tool.durationMs ?? 0), 0);
  return (
    <>
      <span>Used {tools.length} tools</span>
      {failed > 0 && <span class="problem">{failed === tools.length ? "All failed" : `${failed} failed`}</span>}
      <span class="parameters">{names}</span>
      <span class="quiet">{duration(took)}</span>
    </>
  );
}

type Toggled = (event: Event) => void;

function Thought({ step, live, onToggle }: { step: ThinkingPart; live: boolean; onToggle: Toggled }) {
  return (
    <details onToggle={onToggle}>
      <summary>{live ? "Thinking" : thoughtFor(step.endedAt - step.beganAt)}</summary>
      <Thoughts text={step.text} />
    </details>
  );
}

function thoughtFor(ms: number): string {
  return ms < 1000 ? "Thought for a moment" : `Thought for ${seconds(ms)}`;
}

/** What is thought just now is followed, unless somebody looks further up. */
function Thoughts({ text }: { text: string | null }) {
  const box = useRef<HTMLParagraphElement>(null);
  const follows = useRef(true);
  useLayoutEffect(() => {
    const element = box.current;
    if (element !== null && follows.current) element.scrollTop = element.scrollHeight;
  }, [text]);
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    // Shown for the first time, it has a height now.
    const watch = new ResizeObserver(() => {
      if (follows.current) element.scrollTop = element.scrollHeight;
    });
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  return (
    <p
      class="thoughts"
      dir="auto"
      tabIndex={0}
      role="region"
      aria-label="Thoughts"
      ref={box}
      onScroll={({ currentTarget: at }) => (follows.current = at.scrollHeight - at.clientHeight - at.scrollTop < 16)}
    >
      {text ?? "…"}
    </p>
  );
}

type ToolProps = { step: ToolPart; live: boolean; whole: boolean; onToggle: Toggled };

function Tool({ step, live, whole, onToggle }: ToolProps) {
  return (
    <details data-tool={step.name} onToggle={onToggle}>
      <summary>
        <code>{step.name}</code>
        <span class="parameters" dir="auto">
          {shortly(step.parameters)}
        </span>
        {!live && <ToolEnd step={step} />}
      </summary>
      <dl>
        <dt>Parameters</dt>
        <dd>
          <pre tabIndex={0} dir="auto">
            {whole ? pretty(step.parameters) : "…"}
          </pre>
        </dd>
        {step.status !== null && (
          <>
            <dt>Result</dt>
            <dd>
              <pre tabIndex={0} dir="auto">
                {whole ? pretty(step.result) : "…"}
              </pre>
            </dd>
          </>
        )}
      </dl>
    </details>
  );
}

const ENDS: Record<string, string> = {
  ok: "Done",
  error: "Failed",
  cancelled: "Cancelled",
  unknown: "Cut off: it may have had its effect",
};

function ToolEnd({ step }: { step: ToolPart }) {
  const status = step.status ?? "unknown";
  return (
    <span class="tool-state">
      <Icon name={status === "ok" ? "check" : "cross"} />
      <span class={status === "ok" ? "unseen" : undefined}>{ENDS[status] ?? status}</span>
      {step.durationMs !== null && <span class="quiet">{duration(step.durationMs)}</span>}
    </span>
  );
}
