"""Packages that import a public name when it is first asked for, so that a list of commands need not wait for torch."""

import ast
import inspect
import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class LazyPackage(ModuleType):
    """A package whose public names are those that its source imports under `if TYPE_CHECKING:`."""

    _homes: dict[str, str]
    """Public name -> the module that it comes from."""

    def __getattr__(self, name: str) -> Any:
        if name not in self._homes:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        value = getattr(import_module(self._homes[name]), name)
        super().__setattr__(name, value)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        # Importing the file score.py sets `score` on its package, where that name is the function.
        if not (isinstance(value, ModuleType) and name in self._homes):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._homes})


def import_lazily(package: str) -> None:
    """Let a package, from its own `__init__`, import what stands under its `if TYPE_CHECKING:` only when it is used."""
    module = sys.modules[package]
    homes = {
        alias.name: statement.module
        for block in ast.parse(inspect.getsource(module)).body
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for statement in block.body
        if isinstance(statement, ast.ImportFrom) and statement.module
        for alias in statement.names
    }
    vars(module)["_homes"] = homes
    module.__class__ = LazyPackage
