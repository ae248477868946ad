"""Runs docs/quickstart.ipynb and writes it with what it shows: python docs/write_quickstart.py

In an empty folder, where there is no data, so that it trains on synthetic people.
"""

import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).with_name("quickstart.ipynb")


def execute(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """It with its outputs, and nothing of the machine that it ran on."""
    kernel = notebook.metadata.kernelspec
    with tempfile.TemporaryDirectory() as folder:
        where = {"metadata": {"path": folder}}
        client = NotebookClient(
            notebook, timeout=600, resources=where, coalesce_streams=True, record_timing=False
        )
        client.execute()
    notebook.metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return notebook


if __name__ == "__main__":
    nbformat.write(execute(nbformat.read(NOTEBOOK, as_version=4)), NOTEBOOK)
