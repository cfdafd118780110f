"""Figures in a notebook: each shows itself, all show themselves, and their files are those of the report's command."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.reports.blocks import Chapter, Section
from qhybrid_pipelines.reports.figures.style import Drawing, new_axes, with_report_style
from qhybrid_pipelines.reports.page import figure_files
from qhybrid_pipelines.reports.pictures import Pictures


@with_report_style
def drawn(name: str, title: str) -> Drawing:
    figure, axes = new_axes(2.0)
    axes.plot([1, 2, 3], [2, 1, 3])
    return Drawing(name=name, title=title, caption="Three points & what <they> mean.", figure=figure)


@pytest.fixture(scope="module")
def chapters() -> list[Chapter]:
    drawings = (drawn("solvers", "Every solver"), drawn("sweep", "The sweep"), drawn("sweep", "The other sweep"))
    return [Chapter(name="one", heading="One", sections=(Section(name="s", heading="S", drawings=drawings),))]


def test_names_and_files_are_those_of_the_report(chapters, tmp_path):
    pictures = Pictures(chapters)
    assert list(pictures) == ["solvers", "sweep", "sweep-2"]
    assert pictures["sweep-2"].title == "The other sweep"
    files = dict(figure_files(chapters))
    for name, picture in pictures.items():
        assert picture.png == files[f"{name}.png"]
        assert picture.svg.encode() == files[f"{name}.svg"]
        assert picture.save(tmp_path / f"{name}.svg").read_bytes() == files[f"{name}.svg"]


def test_a_notebook_shows_one_and_all(chapters):
    pictures = Pictures(chapters)
    assert ET.fromstring(pictures["solvers"]._repr_svg_()).tag.endswith("svg")
    titles = re.findall(r"<figcaption><b>(.*?)</b>", pictures._repr_html_())
    assert titles == ["Every solver", "The sweep", "The other sweep"]
    shown = re.findall(r"base64,([^\"]+)", pictures._repr_html_())
    assert [base64.b64decode(one).decode() for one in shown] == [picture.svg for picture in pictures.values()]
    assert "<they>" not in pictures._repr_html_()


def test_wrong_names_are_one_sentence(chapters, tmp_path):
    pictures = Pictures(chapters)
    with pytest.raises(KeyError, match="Did you mean solvers"):
        pictures["solver"]
    with pytest.raises(InvalidInput, match=r"ends with \.svg or \.png"):
        pictures["sweep"].save(tmp_path / "sweep.pdf")
