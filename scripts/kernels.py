"""The notebook client that the scripts of this folder share."""

from __future__ import annotations

from nbclient import NotebookClient
from nbclient.output_widget import OutputWidget
from nbformat import NotebookNode


class QuietOutput(OutputWidget):
    """An output widget that doesn't send its state to the kernel."""

    def sync_state(self) -> None:
        """Send nothing back to the kernel.

        nbclient would send it on the socket on which it waits for the reply to the cell. If the
        reply arrives at that moment, the send uses up the wake-up call of the reply, and the client
        sleeps until the time limit of the cell, although the kernel finished long ago.
        """


class Client(NotebookClient):
    """nbclient's client, without the wait that a cell with widgets can run into."""

    def __init__(self, notebook: NotebookNode, **options) -> None:
        super().__init__(notebook, **options)
        self.widget_registry = {"@jupyter-widgets/output": {"OutputModel": QuietOutput}}
