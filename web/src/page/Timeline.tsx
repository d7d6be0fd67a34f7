import type { Run, Step, ToolStep } from "../state/run";
import { isOpen } from "../state/run";
import type { Store } from "../state/store";
import { Icon } from "./Icon";
import { clock, duration, modelName, pretty, shortly } from "./wording";

/** What the agent did and does: started, thinking, each tool. */
export function Timeline({ run, store }: { run: Run; store: Store }) {
  if (run.steps === null) {
    return (
      <p class="timeline-more">
        <button type="button" class="link" onClick={() => void store.loadSteps(run)}>
          Show the work
        </button>
      </p>
    );
  }
  const works = run.state === "running";
  if (run.startedAt === null && run.steps.length === 0) return null;
  return (
    <ol class="timeline" aria-label="What the agent did">
      {run.startedAt !== null && (
        <li class="step started">
          <span class="step-line">
            Started <span class="quiet">{[agentName(run), clock(run.startedAt)].filter(Boolean).join(" · ")}</span>
          </span>
        </li>
      )}
      {run.steps.map((step, index) => (
        <StepRow key={step.kind === "tool" ? step.id : index} step={step} live={works && index === (run.steps?.length ?? 0) - 1} open={isOpen(run)} />
      ))}
    </ol>
  );
}

function agentName(run: Run): string {
  return run.model === "offline" ? "offline agent" : modelName(run.model);
}

function StepRow({ step, live, open }: { step: Step; live: boolean; open: boolean }) {
  if (step.kind === "thinking") {
    return (
      <li class={live ? "step thinking live" : "step thinking"}>
        <details>
          <summary>Thinking{live ? " …" : ""}</summary>
          <p class="thoughts" dir="auto">{step.text}</p>
        </details>
      </li>
    );
  }
  return (
    <li class={`step tool ${step.status ?? (open ? "live" : "unknown")}`} data-tool={step.name}>
      <details>
        <summary>
          <code>{step.name}</code>
          <span class="parameters" dir="auto">{shortly(step.parameters)}</span>
          <ToolState step={step} />
        </summary>
        <dl>
          <dt>Parameters</dt>
          <dd>
            <pre tabIndex={0} dir="auto">{pretty(step.parameters)}</pre>
          </dd>
          {step.status !== null && (
            <>
              <dt>Result</dt>
              <dd>
                <pre tabIndex={0} dir="auto">{pretty(step.result)}</pre>
              </dd>
            </>
          )}
        </dl>
      </details>
    </li>
  );
}

const ENDS: Record<string, string> = {
  ok: "done",
  error: "failed",
  cancelled: "cancelled",
  unknown: "cut off: it may have had its effect",
};

function ToolState({ step }: { step: ToolStep }) {
  if (step.status === null) return <span class="tool-state">working …</span>;
  const took = step.durationMs === null ? "" : duration(step.durationMs);
  return (
    <span class="tool-state">
      {step.status === "ok" ? <Icon name="check" /> : <Icon name="cross" />}
      {step.status === "ok" ? <span class="unseen">done</span> : (ENDS[step.status] ?? step.status)}
      {took && <span class="quiet">{took}</span>}
    </span>
  );
}
