"""The leaderboard: every number leads to its claim, nothing foreign acts, and a reader can sort and filter."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from browsing import browser
from claimed import ABSENT, ACCURACY, ATTACK, LINKAGE, PUBLISHED, SMALL, claim, stored

from vitcrypt.benchmark.page import write_page
from vitcrypt.benchmark.tables import grids, overview

CLAIMS = [
    *(claim(record) for record in SMALL),
    claim(ATTACK, threat_model__ciphertexts=100, result__value=0.95, result__verdicts={"broken": 1}),
    claim(ATTACK, threat_model__holds="known pairs", threat_model__pairs=1, result__value=0.7),
    claim(ATTACK, scheme__name="other", result__value=0.1, result__verdicts={"not by this": 1}),
    claim(ACCURACY, scheme__name="other", data__name="letters"),
]


class Page(HTMLParser):
    """What stands where: cells with their side and links, marks, claims, and all tags with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.cells, self.articles, self.cell, self.inside = [], [], {}, None, None
        self.texts = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        if tag == "td":
            self.cell = {"class": attributes.get("class", ""), "text": "", "links": [], **attributes}
            self.cells.append(self.cell)
        elif tag == "a" and self.cell is not None:
            self.cell["links"].append(attributes["href"])
        elif tag == "article":
            self.inside = attributes["id"]
            self.articles[self.inside] = ""

    def handle_endtag(self, tag):
        self.cell = None if tag == "td" else self.cell
        self.inside = None if tag == "article" else self.inside

    def handle_data(self, data):
        self.texts.append(data)
        if self.cell is not None:
            self.cell["text"] += data
        if self.inside is not None:
            self.articles[self.inside] += data


def page_of(claims, path):
    return Page(write_page(path, claims, []).read_text())


def test_every_number_leads_to_a_claim_with_its_command_or_source_and_sides_do_not_mix(tmp_path):
    page, by_id = page_of(CLAIMS, tmp_path / "page.html"), {f"c-{each.id}": each for each in CLAIMS}
    numbers = 0
    for cell in page.cells:
        side = {"measured", "published"} & set(cell["class"].split())
        if side and re.search(r"\d", cell["text"]):
            (link,) = cell["links"]
            numbers += 1
            assert side == {by_id[link[1:]].said.by}, cell
    marks = [attributes for tag, attributes in page.tags if tag == "a" and "mark" in attributes.get("class", "")]
    assert {mark["href"][1:] for mark in marks} <= by_id.keys()
    assert numbers > 20
    assert len(marks) >= 4
    assert page.articles.keys() == by_id.keys()
    for name, text in page.articles.items():
        said = by_id[name].said
        wanted = [said.command, said.commit] if said.by == "measured" else [said.reference, said.place]
        assert all(word in text for word in wanted)


def test_schemes_families_and_data_sets_are_those_of_the_claims_and_no_list_of_six(tmp_path):
    page = page_of(CLAIMS, tmp_path / "page.html")
    options = {attributes["value"] for tag, attributes in page.tags if tag == "option"}
    assert options == {
        *("", "digits", "letters", "braids", "none", "shared", "per_image"),
        *("ciphertexts only", "known pairs", "measured", "published"),
    }
    said = " ".join(page.texts)
    assert not re.search(r"\bsecure\b", said)
    assert "definition not available" in said


def test_the_overview_takes_the_worst_for_the_owner_and_puts_plain_beside():
    shown = {}
    for row in overview(CLAIMS).rows:
        named = [cell.text for cell in row.cells]
        shown.setdefault((named[0], named[1], named[2]), named[3:])
    assert shown["mine", "digits", "shared"] == [
        *("broken", "80.00 %", "90.00 %", "0.950", "0.700", "40.00 %", "", "99.00 %", "", "")
    ]
    assert shown["mine", "digits", "per image"][0] == "linkable"
    assert shown["other", "digits", "shared"][0] == "survived the attacks run here"
    assert shown["other", "letters", "shared"][0] == "not attacked here"
    assert shown["plain", "digits", "none"][0] == ""
    assert [grid.title for grid in grids(CLAIMS)] == ["Schemes", "Accuracies", "Attacks", "Linkage"]


HOSTILE = "</title></script><script>alert(1)</script><img src=x onerror=alert(1)>\"'` {{7*7}} {% raw %} \u202e\x1b[2J"


def hostile(record):
    """A claim whose texts no document would pass, as if its checks had failed."""
    made = claim(record)
    parts = {
        name: getattr(made, name).model_copy(update=values)
        for name, values in {
            "scheme": {"name": HOSTILE, "family": HOSTILE, "values": {HOSTILE: HOSTILE}},
            "method": {"name": HOSTILE},
            "data": {"name": HOSTILE},
            "said": {name: HOSTILE for name in ("command", "reference", "place") if hasattr(made.said, name)},
        }.items()
        if getattr(made, name) is not None
    }
    return made.model_copy(update=parts | {"notes": [HOSTILE]})


def test_hostile_text_does_nothing(tmp_path):
    shown = page_of([hostile(record) for record in (ATTACK, ACCURACY, LINKAGE, PUBLISHED, ABSENT)], tmp_path / "a.html")
    ordinary = page_of(
        [claim(record) for record in (ATTACK, ACCURACY, LINKAGE, PUBLISHED, ABSENT)], tmp_path / "b.html"
    )
    assert {tag for tag, _ in shown.tags} == {tag for tag, _ in ordinary.tags}
    assert sum(tag == "script" for tag, _ in shown.tags) == 1
    assert {name for _, attributes in shown.tags for name in attributes} == {
        name for _, attributes in ordinary.tags for name in attributes
    }
    assert "{{7*7}}" in " ".join(shown.texts)
    assert not {"\u202e", "\x1b"} & set((tmp_path / "a.html").read_text())


def test_the_page_needs_nothing_else_and_lets_no_other_script_run(tmp_path):
    text = write_page(tmp_path / "page.html", CLAIMS, ["a file: <b>damaged</b>"]).read_text()
    page = Page(text)
    assert not [attributes for _, attributes in page.tags if {"src", "srcset", "action", "data"} & attributes.keys()]
    assert {tag for tag, _ in page.tags} & {"link", "img", "iframe", "object", "base"} == set()
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert {link for link in links if not link.startswith("#")} == {"https://example.org/they"}
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in text
    assert "&lt;b&gt;damaged" in text


def test_tables_are_printed_and_the_page_is_written_by_the_command(tmp_path, vitcrypt):
    stored(tmp_path / "claims", *CLAIMS)
    (tmp_path / "claims" / "damaged.json").write_text("{")
    for kind, words in (("rich", ["Schemes", "0.950"]), ("md", ["**Attacks**", "| mine"]), ("tex", [r"\toprule"])):
        code, printed = vitcrypt("leaderboard", "claims", "--format", kind)
        assert code == 0
        assert all(word in printed for word in [*words, "left out: claims/damaged.json"])
    printed = vitcrypt("leaderboard", "claims", "--brief", "--format", "md")[1]
    assert printed.count("**") == 2
    assert "linkage (measured)" in printed
    assert "linkage (published)" not in printed
    printed = vitcrypt("leaderboard", "claims", "--format", "csv")[1]
    assert printed.count("vitcrypt claim 1") == len(CLAIMS)
    code, printed = vitcrypt("leaderboard", "claims", "--output", "page.html")
    assert code == 0
    assert f"{len(CLAIMS)} claims in page.html" in printed
    assert "damaged.json" in (tmp_path / "page.html").read_text()


ATTACKS = "[...document.querySelectorAll('.grid')].find(grid => grid.innerText.startsWith('Attacks'))"
VALUES = (
    f"return [...{ATTACKS}.querySelectorAll('tbody tr:not(.off)')].map(row => row.cells[5].querySelector('a').text)"
)
SORT = f"{ATTACKS}.querySelector('th.measured[data-column] button').click()"
CHOOSE = """const select = document.querySelector(`[data-filter=${arguments[0]}]`);
    select.value = arguments[1]; select.dispatchEvent(new Event('change'))"""
SHOWN = "return [...document.querySelectorAll(arguments[0])].filter(e => getComputedStyle(e).display !== 'none').length"


@pytest.mark.slow
def test_a_reader_sorts_filters_and_opens_a_claim_in_a_browser(tmp_path):
    write_page(tmp_path / "page.html", CLAIMS, [])
    with browser(tmp_path / "profile") as driver:
        driver.get((tmp_path / "page.html").as_uri())
        run = driver.execute_script
        assert run(VALUES) == ["0.700", "0.500", "0.950", "0.100"]
        for order in (["0.100", "0.500", "0.700", "0.950"], ["0.950", "0.700", "0.500", "0.100"]):
            run(SORT)
            assert run(VALUES) == order
        for name, choice, left in (("threat", "known pairs", ["0.700"]), ("data", "letters", [])):
            run(CHOOSE, name, choice)
            assert run(VALUES) == left
            run("document.getElementById('reset').click()")
            assert len(run(VALUES)) == 4
        assert run(SHOWN, "td.measured") > 0
        run(CHOOSE, "said", "published")
        assert run(SHOWN, "td.measured") == 0
        assert run(SHOWN, "td.published") > 0
        run(CHOOSE, "said", "")
        assert run("return document.querySelector('.front').getAttribute('points')")
        assert run(SHOWN, ".claim") == 0
        run("document.querySelector('td a').click()")
        assert run(SHOWN, ".claim") == 1
        run("document.querySelector('.claim:target .close').click()")
        assert run(SHOWN, ".claim") == 0
        driver.set_window_size(500, 900)
        assert run("return document.documentElement.scrollWidth <= innerWidth")
        assert not driver.get_log("browser")
