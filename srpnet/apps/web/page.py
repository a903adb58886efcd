"""The page of `srpnet app`: what stands on it, and what each button does."""

from collections.abc import Callable, Iterable
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from episodes.errors import InputError
from srpnet.apps.examples.checks import weakest
from srpnet.apps.files.outputs import overlaid
from srpnet.apps.web.items import Item
from srpnet.apps.web.marks import decoded, encoded
from srpnet.apps.web.workspace import Opened, Workspace

ASSETS = Path(__file__).parent
COMPLETE, STROKES = "is not the object", "is left open: strokes"
HOW = """# Segment by example
**1** Drop in photographs. **2** Choose one, paint the object, *Use as example*: one to five. **3** *Segment the
others*. **4** Choose one that came out wrong, correct it, *Use as example*, and segment again."""
GONE = "This page was closed, or too many people use it: reload it later."
CHOOSE = "choose a photograph in the gallery first"
PAINTING = """(workspace, chosen, name, rest) =>
    [workspace, chosen, name, rest, document.querySelector("#painter canvas")?.toDataURL()]"""
SAVE = "() => setTimeout(() => document.querySelector('#{}').click(), 300)"
GALLERY: dict[str, Any] = {"object_fit": "contain", "buttons": [], "interactive": False}
NETWORK: dict[str, Any] = {"concurrency_id": "network", "concurrency_limit": 1}
"""Of what takes the network: one at a time."""


def page(
    begin: Callable[[str], Workspace], leave: Callable[[str], None], end: Callable[[Workspace], None]
) -> gr.Blocks:
    """The page.

    Args:
        begin: A workspace for somebody who opens it, by the name of their visit; `InputError` if there are too many.
        leave: Called with that name when they close it.
        end: Called with the workspace once it is not needed any more.
    """
    with gr.Blocks(title="srpnet", analytics_enabled=False, delete_cache=(600, 3600)) as blocks:
        workspace = gr.State(None, delete_callback=lambda gone: None if gone is None else end(gone))
        chosen = gr.State(None)
        gr.Markdown(HOW)
        with gr.Row():
            with gr.Column(scale=5, min_width=330):
                drop = gr.File(label="Photographs, and NAME-mask.png", file_count="multiple", height=150)
                gallery = gr.Gallery(
                    label="Photographs", columns=3, height=600, allow_preview=False, elem_id="photographs", **GALLERY
                )
            with gr.Column(scale=7, min_width=330):
                script = (ASSETS / "painter.js").read_text(encoding="utf-8")
                painter = gr.HTML(painter_of(), js_on_load=script, elem_id="painter")
                with gr.Row():
                    name = gr.Textbox("object", label="The object is called", max_lines=1, elem_id="class")
                    rest = gr.Radio([COMPLETE, STROKES], value=COMPLETE, label="The rest", elem_id="rest")
                with gr.Row():
                    use = gr.Button("Use as example", variant="primary", elem_id="use", min_width=140)
                    absent = gr.Button("It is not there", elem_id="absent", min_width=140)
                with gr.Row():
                    forget = gr.Button("No example", size="sm", elem_id="forget", min_width=140)
                    remove = gr.Button("Remove photograph", size="sm", elem_id="remove", min_width=140)
                said = gr.HTML(said_of(None, []), elem_id="said")
                segment = gr.Button("Segment the others", variant="primary", elem_id="segment")
                with gr.Row():
                    masks, supports = (
                        (
                            gr.Button(f"Download {what}", elem_id=id, size="md", min_width=120),
                            gr.DownloadButton(elem_id=f"{id}-file", visible="hidden"),
                        )
                        for what, id in (("masks", "masks"), ("examples", "supports"))
                    )
        with gr.Accordion("How good the examples are"):
            judgement = gr.HTML(judgement_of(None), elem_id="judgement")
            judged = gr.Gallery(
                label="Marked, by itself, by the others",
                columns=3,
                visible=False,
                elem_id="judged",
                **GALLERY,
            )
        with gr.Accordion("How it was found: the rounds of query inference", open=False):
            look = gr.Button("Show them for the chosen photograph", elem_id="look")
            rounds = gr.Gallery(label="Rounds", columns=3, visible=False, elem_id="rounds", **GALLERY)

        everything = [gallery, said, judgement, judged]
        opened = [chosen, painter, rest]
        painted = gr.Textbox(visible="hidden")

        def start(request: gr.Request) -> tuple[Workspace | None, str]:
            try:
                return begin(request.session_hash or ""), said_of(None, [])
            except InputError as problem:
                return None, said_of(None, [_sentence(None, problem)])

        def stop(request: gr.Request) -> None:
            leave(request.session_hash or "")

        blocks.load(start, None, [workspace, said])
        blocks.unload(stop)
        drop.upload(add, [workspace, drop, name], [drop, *everything], **NETWORK)
        gallery.select(choose, [workspace, name], opened)
        name.submit(show_class, [workspace, chosen, name], opened)
        use.click(mark, [workspace, chosen, name, rest, painted], everything, js=PAINTING, **NETWORK)
        absent.click(mark_absent, [workspace, chosen], everything, **NETWORK)
        forget.click(unmark, [workspace, chosen], everything, **NETWORK)
        remove.click(remove_photograph, [workspace, chosen], [*opened, *everything], **NETWORK)
        segment.click(segment_others, [workspace], everything, show_progress_on=said, **NETWORK)
        look.click(show_rounds, [workspace, chosen], [rounds, said], **NETWORK)
        for (button, file), make in ((masks, save_masks), (supports, save_examples)):
            made = button.click(make, [workspace], [file, said], **NETWORK)
            made.success(None, None, None, js=SAVE.format(file.elem_id))
    return blocks


# ------------------------------------------------------------------------------------------------ what the buttons do


def add(workspace: Workspace | None, files: list[str], name: str) -> list[Any]:
    """Take what was dropped."""
    return [None, *_done(workspace, lambda here: here.add(map(Path, files or []), name.strip() or "object"))]


def choose(workspace: Workspace | None, name: str, event: gr.SelectData) -> list[Any]:
    """Show a photograph of the gallery, to paint on."""
    items = workspace.items if workspace else []
    return show_class(workspace, items[event.index] if event.index < len(items) else None, name)


def show_class(workspace: Workspace | None, item: Item | None, name: str) -> list[Any]:
    """Show what is marked as a class, or was found of it."""
    return [item, *_opened(workspace, item, name)]


def mark(workspace: Workspace | None, item: Item | None, name: str, rest: str, painting: Any) -> list[Any]:
    """Take the painting as an example."""

    def action(here: Workspace) -> None:
        size = here.size(chosen := _chosen(here, item))
        here.mark(chosen, name, decoded(painting, size), rest == COMPLETE)

    return _done(workspace, action)


def mark_absent(workspace: Workspace | None, item: Item | None) -> list[Any]:
    """The photograph shows no class."""
    return _done(workspace, lambda here: here.mark_absent(_chosen(here, item)))


def unmark(workspace: Workspace | None, item: Item | None) -> list[Any]:
    """The photograph is no example any more."""
    return _done(workspace, lambda here: here.unmark(_chosen(here, item)))


def remove_photograph(workspace: Workspace | None, item: Item | None) -> list[Any]:
    """Forget the photograph."""
    done = _done(workspace, lambda here: here.remove(_chosen(here, item)))
    return [None, *_opened(workspace, None, ""), *done]


def segment_others(workspace: Workspace | None, progress: gr.Progress = gr.Progress()) -> list[Any]:  # noqa: B008
    """Segment what is no example."""
    return _done(workspace, lambda here: here.segment(lambda done, of: progress((done, of), unit="photographs")))


def show_rounds(workspace: Workspace | None, item: Item | None) -> list[Any]:
    """The rounds of query inference."""

    def action(here: Workspace) -> None:
        for number, picture in enumerate(here.rounds(_chosen(here, item))):
            pictures.append((picture, f"round {number}" if number else "the examples alone"))

    pictures: list[Any] = []
    said = _done(workspace, action)[1]
    return [gr.Gallery(pictures, visible=bool(pictures)), said]


def save_masks(workspace: Workspace | None) -> list[Any]:
    """A zip of the masks."""
    return _saved(workspace, Workspace.zip)


def save_examples(workspace: Workspace | None) -> list[Any]:
    """The file of the examples."""
    return _saved(workspace, Workspace.save_supports)


def _saved(workspace: Workspace | None, make: Callable[[Workspace], Path]) -> list[Any]:
    try:
        if workspace is None or workspace.closed:
            raise InputError(GONE)
        return [str(make(workspace)), said_of(workspace, [])]
    except InputError as problem:  # which ends it before the browser asks for the file
        raise gr.Error(_sentence(workspace, problem), print_exception=False) from None


def _chosen(workspace: Workspace, item: Item | None) -> Item:
    if item is None or item not in workspace.items:
        raise InputError(CHOOSE)
    return item


def _done(workspace: Workspace | None, action: Callable[[Workspace], Iterable[str] | None]) -> list[Any]:
    """Do something, and show all that may have changed."""
    if workspace is None or workspace.closed:
        return [None, said_of(None, [GONE]), judgement_of(None), gr.Gallery(visible=False)]
    try:
        problems = list(action(workspace) or ())
    except InputError as problem:
        problems = [_sentence(workspace, problem)]
    tiles = [
        (overlaid(photograph, labels), caption if column else name)
        for name, row in workspace.judged()
        for column, (caption, photograph, labels) in enumerate(row)
    ]
    pictures = [(str(workspace.small(item)), caption_of(item)) for item in workspace.items]
    return [pictures, said_of(workspace, problems), judgement_of(workspace), gr.Gallery(tiles, visible=bool(tiles))]


def _opened(workspace: Workspace | None, item: Item | None, name: str) -> list[Any]:
    try:
        opened = workspace.open(item, name.strip()) if workspace and item else None
    except InputError as problem:
        raise gr.Error(_sentence(workspace, problem), print_exception=False) from None
    if item is None or opened is None:
        return [painter_of(), COMPLETE]
    return [painter_of(opened, item.name), COMPLETE if opened.complete else STROKES]


def _sentence(workspace: Workspace | None, problem: InputError) -> str:
    text = workspace.worded(problem) if workspace else str(problem)
    return f"{text[:1].upper()}{text[1:]}"


# ------------------------------------------------------------------------------------------------------ what is shown


def caption_of(item: Item) -> str:
    """What stands under a photograph."""
    if item.is_example:
        return f"{item.name}: example{' without it' if item.absent else ''}"
    if item.row is None:
        return item.name
    areas = [float(value) for column, value in item.row.items() if column.startswith("area")]
    share = f"{100 * sum(areas):.0f}\N{NO-BREAK SPACE}%"
    return f"{item.name}: {item.row['doubt'] or share}"


def said_of(workspace: Workspace | None, problems: Iterable[str]) -> str:
    """What there is, and what went wrong."""
    lines = [f'<p class="problem">{escape(problem)}</p>' for problem in problems]
    if workspace and workspace.items:
        examples = sum(item.is_example for item in workspace.items)
        segmented = sum(item.row is not None and not item.is_complete for item in workspace.items)
        counts = f"Photographs: {len(workspace.items)}, examples: {examples}, segmented: {segmented}"
        lines.append(f"<p>{counts}</p>")
    return f'<div class="lines">{"".join(lines)}</div>'


def judgement_of(workspace: Workspace | None) -> str:
    """A line for each example, what is doubtful about it, and which is the weakest."""
    checks = workspace.judgement() if workspace else []
    if workspace is None or not checks:
        return '<div class="lines"><p>The network judges each example as soon as there is one.</p></div>'
    lines = []
    for check in checks:
        lines.append(f"<p><b>{escape(check.name)}</b>: {escape(check.summary)}</p>")
        lines += [f'<p class="doubt">{escape(doubt)}</p>' for doubt in check.doubts]
    if (last := weakest(checks)) is not None:
        lines.append(f"<p>Weakest example: <b>{escape(last.name)}</b></p>")
    lines += [f"<p>{escape(forecast)}</p>" for forecast in workspace.forecasts()]
    return f'<div class="lines">{"".join(lines)}</div>'


def painter_of(opened: Opened | None = None, name: str = "") -> str:
    """What `painter.js` works on: a photograph and what is painted already."""
    if opened is None:
        return '<div class="painter"><div class="empty">Choose a photograph in the gallery to paint on it</div></div>'
    colours = {"green": ("rgb(0,200,0)", "the object"), "red": ("rgb(230,0,0)", "not it")}
    tools = [
        f'<button data-tool="{tool}"><i style="background: {colour}"></i>{words}</button>'
        for tool, (colour, words) in colours.items()
    ]
    width, height = opened.photograph.size
    return f"""<div class="painter"><div class="tools">{"".join(tools)}
<button data-tool="erase">eraser</button><span></span>
<button data-shape="brush">brush</button><button data-shape="box">box</button>
<label>size <input type="range" min="4" max="120" aria-label="size of the brush"></label><span></span>
<button data-act="undo">undo</button><button data-act="clear">clear</button></div>
<div class="stage" style="--aspect: {width / height:.4f}">
<img class="photograph" src="{encoded(opened.photograph, "JPEG")}" alt="{escape(name)}" draggable="false">
<img class="marks" src="{encoded(opened.painting)}" alt=""><canvas></canvas></div></div>"""
