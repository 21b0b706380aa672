/** Images that the user drops or pastes, as parts of a question. */
import type { ContentPart } from "@ag-ui/client";

const KINDS = ["image/png", "image/jpeg", "image/gif", "image/webp"];
/** Base64 makes a third more of it, and the API takes 10 MB. Models take 3.75 MB an image. */
const MOST_BYTES = 3 * 1024 * 1024;

export interface Picture {
  name: string;
  mimeType: string;
  base64: string;
}

export class UnusableImage extends Error {
  constructor(readonly line: "imageTooLarge" | "imageKind") {
    super(line);
  }
}

/** Raises UnusableImage. */
export async function readImage(file: File): Promise<Picture> {
  if (!KINDS.includes(file.type)) throw new UnusableImage("imageKind");
  if (file.size > MOST_BYTES) throw new UnusableImage("imageTooLarge");
  const address = await new Promise<string>((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as string);
    reader.onerror = () => reject(reader.error as Error);
    reader.readAsDataURL(file);
  });
  return { name: file.name, mimeType: file.type, base64: address.slice(address.indexOf(",") + 1) };
}

/** A question's content: plain text where there is nothing else. */
export function contentOf(text: string, pictures: Picture[]): string | ContentPart[] {
  if (!pictures.length) return text;
  const parts: ContentPart[] = pictures.map((one) => ({
    type: "image",
    source: { type: "data", value: one.base64, mimeType: one.mimeType },
  }));
  return text ? [{ type: "text", text }, ...parts] : parts;
}

/** The words of a message, without its images. */
export function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return (content as ContentPart[]).map((part) => (part.type === "text" ? part.text : "")).join("");
}

/** The addresses of a message's images that travelled with it; those elsewhere are not loaded. */
export function imagesOf(content: unknown): string[] {
  if (!Array.isArray(content)) return [];
  return (content as ContentPart[]).flatMap((part) =>
    part.type === "image" && part.source.type === "data" && KINDS.includes(part.source.mimeType ?? "")
      ? [`data:${part.source.mimeType};base64,${part.source.value}`]
      : [],
  );
}
