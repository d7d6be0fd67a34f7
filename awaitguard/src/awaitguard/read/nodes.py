"""The types of syntax nodes: compiled, a name of one's own is found much faster than `ast.Name`."""

from __future__ import annotations

import ast
from typing import Final

And: Final = ast.And
Assign: Final = ast.Assign
AsyncFor: Final = ast.AsyncFor
AsyncFunctionDef: Final = ast.AsyncFunctionDef
AsyncWith: Final = ast.AsyncWith
Attribute: Final = ast.Attribute
Await: Final = ast.Await
BinOp: Final = ast.BinOp
BitOr: Final = ast.BitOr
BoolOp: Final = ast.BoolOp
Call: Final = ast.Call
ClassDef: Final = ast.ClassDef
Compare: Final = ast.Compare
Constant: Final = ast.Constant
Dict: Final = ast.Dict
DictComp: Final = ast.DictComp
Eq: Final = ast.Eq
Expr: Final = ast.Expr
FormattedValue: Final = ast.FormattedValue
FunctionDef: Final = ast.FunctionDef
GeneratorExp: Final = ast.GeneratorExp
If: Final = ast.If
Import: Final = ast.Import
ImportFrom: Final = ast.ImportFrom
Is: Final = ast.Is
IsNot: Final = ast.IsNot
Lambda: Final = ast.Lambda
List: Final = ast.List
MatchAs: Final = ast.MatchAs
MatchValue: Final = ast.MatchValue
Name: Final = ast.Name
Not: Final = ast.Not
Or: Final = ast.Or
Pass: Final = ast.Pass
Raise: Final = ast.Raise
Slice: Final = ast.Slice
Starred: Final = ast.Starred
Subscript: Final = ast.Subscript
Tuple: Final = ast.Tuple
UnaryOp: Final = ast.UnaryOp
Yield: Final = ast.Yield
YieldFrom: Final = ast.YieldFrom
