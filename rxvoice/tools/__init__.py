"""Python functions that a language model may call."""

from rxvoice.tools._toolbox import Tool, Toolbox, ToolCall, Tools, ToolWorker, WhileCalling

__all__ = ["Tool", "ToolCall", "ToolWorker", "Toolbox", "Tools", "WhileCalling"]
