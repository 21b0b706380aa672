/** The page's few pictures, drawn in the colour of the words beside them and silent: their button has the name. */
const PATHS = {
  plus: "M12 5v14M5 12h14",
  menu: "M4 7h16M4 12h16M4 17h16",
  close: "M6 6l12 12M18 6L6 18",
  send: "M12 19V5M6 11l6-6 6 6",
  stop: "M8 8h8v8H8z",
  copy: "M9 9h10v10H9zM5 15V5h10",
  done: "M5 12.5l4.5 4.5L19 7.5",
  edit: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  retry: "M19 12a7 7 0 1 1-2.2-5.1M19 4v4h-4",
  image: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9.5h.01",
  panel: "M4 5h16v14H4zM14 5v14",
  tool: "M14 6a4 4 0 0 0-5 5L4 16l4 4 5-5a4 4 0 0 0 5-5l-3 3-3-1-1-3z",
  thought: "M9 18h6M10 21h4M8 15a6 6 0 1 1 8 0v1H8z",
  down: "M12 5v14M6 13l6 6 6-6",
  leave: "M10 5H5v14h5M10 12h10M16 8l4 4-4 4",
} as const;

export type Picture = keyof typeof PATHS;

export function Icon({ picture }: { picture: Picture }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[picture]} fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round" />
    </svg>
  );
}

interface IconButtonProps {
  picture: Picture;
  name: string;
  class?: string;
  onClick: () => void;
}

export function IconButton({ picture, name, class: kind = "quiet", onClick }: IconButtonProps) {
  return (
    <button type="button" class={`round ${kind}`} aria-label={name} title={name} onClick={onClick}>
      <Icon picture={picture} />
    </button>
  );
}
