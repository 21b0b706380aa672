/**
 * A model's Markdown as HTML that can do nothing: marked writes it, DOMPurify lets through a short list of elements.
 *
 * The model's own HTML is shown as text. Images become links: an address that a hostile document put into an answer
 * would carry the conversation away the moment the image loads. Block by block, so that a word that arrives changes
 * the last one only.
 */
import DOMPurify from "dompurify";
import { Marked, type Tokens } from "marked";

const ELEMENTS = [
  "a", "blockquote", "br", "code", "del", "em", "h2", "h3", "h4", "h5", "h6", "hr", "input", "li", "ol", "p",
  "pre", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
];
const ATTRIBUTES = ["align", "checked", "disabled", "href", "rel", "start", "target", "type"];

/** A listing, for the page to show with a button; or what marked wrote of anything else, which is not safe yet. */
export type Block = { code: string; language: string } | { unsafe: string };

const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (mark) => `&#${mark.charCodeAt(0)};`);

const marked = new Marked({
  gfm: true,
  breaks: true,
  async: false,
  renderer: {
    // The page's own title is the first level.
    heading({ tokens, depth }: Tokens.Heading) {
      const level = Math.min(depth + 1, 6);
      return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>\n`;
    },
    html: (token: Tokens.HTML | Tokens.Tag) => escaped(token.text),
    image: ({ href, text }: Tokens.Image) => `<a href="${escaped(href)}">${escaped(text || href)}</a>`,
  },
});

const purifier = DOMPurify(window);
purifier.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName === "A") {
    if (!/^(https?|mailto):/i.test(node.getAttribute("href") ?? "")) node.removeAttribute("href");
    node.setAttribute("target", "_blank");
    node.setAttribute("rel", "noopener noreferrer nofollow");
  }
  // The only input that Markdown knows is a task list's box, and nobody may type into an answer.
  if (node.tagName === "INPUT" && node.getAttribute("type") !== "checkbox") node.remove();
});

export function blocksOf(markdown: string): Block[] {
  return marked
    .lexer(markdown)
    .filter((token) => token.type !== "space")
    .map((token) =>
      token.type === "code"
        ? { code: (token as Tokens.Code).text, language: (token as Tokens.Code).lang?.split(/\s/)[0] ?? "" }
        : { unsafe: marked.parser([token]) },
    );
}

/** HTML that is safe to put into the page. */
export function sanitised(unsafe: string) {
  return purifier.sanitize(unsafe, {
    ALLOWED_TAGS: ELEMENTS,
    ALLOWED_ATTR: ATTRIBUTES,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    RETURN_TRUSTED_TYPE: true,
  });
}
