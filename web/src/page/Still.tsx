import { Component, type ComponentChildren } from "preact";

type Props = { version: unknown; children: () => ComponentChildren };

/** Draws its children again only when `version` is another one. */
export class Still extends Component<Props> {
  override shouldComponentUpdate(next: Props): boolean {
    return next.version !== this.props.version;
  }

  render() {
    return this.props.children();
  }
}
