"""Writes pydantic.json beside it: the schemas that pydantic 2 makes of common types.

pip install pydantic==2.14.4 email-validator, then run it.
"""

import datetime
import decimal
import enum
import ipaddress
import json
import pathlib
import re
import uuid
from typing import Annotated, Any, Literal, Mapping, NamedTuple, Optional, Sequence, Union

from pydantic import *
from pydantic.networks import *
from pydantic.types import *


class Color(enum.Enum):
    red = "red"
    blue = "blue"


class Point(NamedTuple):
    x: int
    y: str


class Address(BaseModel):
    street: str
    zip: Optional[str] = None


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["closed"]
    a: int


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    kind: Literal["open"]
    b: Address


class Person(BaseModel):
    name: str = Field(min_length=1, max_length=20, description="A name")
    age: int = Field(ge=0, le=150)
    color: Color = Color.red
    addresses: list[Address] = []
    friend: Optional["Person"] = None
    born: Optional[datetime.date] = None


class Tree(BaseModel):
    value: int
    children: list["Tree"] = []


TYPES = {
    "int": int,
    "str": str,
    "float": float,
    "bool": bool,
    "bytes": bytes,
    "None": None,
    "Any": Any,
    "date": datetime.date,
    "time": datetime.time,
    "datetime": datetime.datetime,
    "timedelta": datetime.timedelta,
    "Decimal": decimal.Decimal,
    "UUID": uuid.UUID,
    "UUID4": UUID4,
    "Enum": Color,
    "Literal": Literal["a", 1, True],
    "list[int]": list[int],
    "list[Model]": list[Address],
    "set[Enum]": set[Color],
    "set[int]": set[int],
    "frozenset[str]": frozenset[str],
    "tuple[int, str]": tuple[int, str],
    "tuple[int, ...]": tuple[int, ...],
    "dict[str, int]": dict[str, int],
    "dict[int, str]": dict[int, str],
    "dict[Enum, int]": dict[Color, int],
    "dict[str, Model]": dict[str, Address],
    "Optional[int]": Optional[int],
    "Union[int, str]": Union[int, str],
    "NamedTuple": Point,
    "Model": Person,
    "recursive Model": Tree,
    "closed Model": Closed,
    "open Model": Open,
    "discriminated Union": Annotated[Union[Closed, Open], Field(discriminator="kind")],
    "Union of Models": Union[Closed, Open],
    "EmailStr": EmailStr,
    "NameEmail": NameEmail,
    "AnyUrl": AnyUrl,
    "HttpUrl": HttpUrl,
    "PostgresDsn": PostgresDsn,
    "Path": pathlib.Path,
    "FilePath": FilePath,
    "IPvAnyAddress": IPvAnyAddress,
    "IPv4Address": ipaddress.IPv4Address,
    "IPv6Address": ipaddress.IPv6Address,
    "IPv4Network": ipaddress.IPv4Network,
    "Json": Json,
    "SecretStr": SecretStr,
    "Base64Str": Base64Str,
    "ByteSize": ByteSize,
    "conint": conint(gt=0, le=100, multiple_of=5),
    "constr": constr(pattern="^[a-z]+$", min_length=2, max_length=5),
    "confloat": confloat(ge=0, lt=10, multiple_of=0.5),
    "conlist": conlist(int, min_length=1, max_length=3),
    "PositiveInt": PositiveInt,
    "PastDate": PastDate,
    "AwareDatetime": AwareDatetime,
    "Pattern": re.Pattern,
    "Sequence[int]": Sequence[int],
    "Mapping[str, float]": Mapping[str, float],
    "StrictBool": StrictBool,
    "annotated str": Annotated[
        str, Field(json_schema_extra={"x-a": 1}, examples=["a"], title="t", pattern="b+")
    ],
}

if __name__ == "__main__":
    schemas = {name: TypeAdapter(kind).json_schema() for name, kind in TYPES.items()}
    path = pathlib.Path(__file__).with_name("pydantic.json")
    path.write_text(json.dumps(schemas, indent="\t") + "\n")
