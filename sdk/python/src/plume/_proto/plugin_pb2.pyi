from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Channel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CHANNEL_UNSPECIFIED: _ClassVar[Channel]
    CHANNEL_ENSEMBLE: _ClassVar[Channel]
    CHANNEL_PREDICTED: _ClassVar[Channel]
    CHANNEL_SIMULATED: _ClassVar[Channel]
    CHANNEL_OBSERVATIONS: _ClassVar[Channel]
    CHANNEL_LOG_LIKELIHOOD: _ClassVar[Channel]
    CHANNEL_GRADIENT: _ClassVar[Channel]
    CHANNEL_PARAMETERS: _ClassVar[Channel]
    CHANNEL_CARRY: _ClassVar[Channel]
CHANNEL_UNSPECIFIED: Channel
CHANNEL_ENSEMBLE: Channel
CHANNEL_PREDICTED: Channel
CHANNEL_SIMULATED: Channel
CHANNEL_OBSERVATIONS: Channel
CHANNEL_LOG_LIKELIHOOD: Channel
CHANNEL_GRADIENT: Channel
CHANNEL_PARAMETERS: Channel
CHANNEL_CARRY: Channel

class DescribeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DescribeResponse(_message.Message):
    __slots__ = ("manifest", "protocol_minor", "features")
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_MINOR_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    manifest: str
    protocol_minor: int
    features: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, manifest: _Optional[str] = ..., protocol_minor: _Optional[int] = ..., features: _Optional[_Iterable[str]] = ...) -> None: ...

class ConfigureRequest(_message.Message):
    __slots__ = ("configuration", "params", "step", "state", "error", "observations", "members", "dir", "per_member", "grid", "past", "dates", "single", "origins")
    CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    DIR_FIELD_NUMBER: _ClassVar[int]
    PER_MEMBER_FIELD_NUMBER: _ClassVar[int]
    GRID_FIELD_NUMBER: _ClassVar[int]
    PAST_FIELD_NUMBER: _ClassVar[int]
    DATES_FIELD_NUMBER: _ClassVar[int]
    SINGLE_FIELD_NUMBER: _ClassVar[int]
    ORIGINS_FIELD_NUMBER: _ClassVar[int]
    configuration: str
    params: _struct_pb2.Struct
    step: float
    state: Layout
    error: ErrorModel
    observations: ObservationSpace
    members: int
    dir: str
    per_member: _containers.RepeatedScalarFieldContainer[str]
    grid: bool
    past: int
    dates: Dates
    single: bool
    origins: bool
    def __init__(self, configuration: _Optional[str] = ..., params: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., step: _Optional[float] = ..., state: _Optional[_Union[Layout, _Mapping]] = ..., error: _Optional[_Union[ErrorModel, _Mapping]] = ..., observations: _Optional[_Union[ObservationSpace, _Mapping]] = ..., members: _Optional[int] = ..., dir: _Optional[str] = ..., per_member: _Optional[_Iterable[str]] = ..., grid: _Optional[bool] = ..., past: _Optional[int] = ..., dates: _Optional[_Union[Dates, _Mapping]] = ..., single: _Optional[bool] = ..., origins: _Optional[bool] = ...) -> None: ...

class Dates(_message.Message):
    __slots__ = ("start", "seconds", "calendar")
    START_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    CALENDAR_FIELD_NUMBER: _ClassVar[int]
    start: str
    seconds: float
    calendar: str
    def __init__(self, start: _Optional[str] = ..., seconds: _Optional[float] = ..., calendar: _Optional[str] = ...) -> None: ...

class ConfigureResponse(_message.Message):
    __slots__ = ("state", "observations", "needs")
    STATE_FIELD_NUMBER: _ClassVar[int]
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    NEEDS_FIELD_NUMBER: _ClassVar[int]
    state: Layout
    observations: ObservationSpace
    needs: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, state: _Optional[_Union[Layout, _Mapping]] = ..., observations: _Optional[_Union[ObservationSpace, _Mapping]] = ..., needs: _Optional[_Iterable[str]] = ...) -> None: ...

class ShareRequest(_message.Message):
    __slots__ = ("name", "path")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    name: str
    path: str
    def __init__(self, name: _Optional[str] = ..., path: _Optional[str] = ...) -> None: ...

class ShareResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Layout(_message.Message):
    __slots__ = ("variables", "coordinates")
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    COORDINATES_FIELD_NUMBER: _ClassVar[int]
    variables: _containers.RepeatedCompositeFieldContainer[Variable]
    coordinates: Coordinates
    def __init__(self, variables: _Optional[_Iterable[_Union[Variable, _Mapping]]] = ..., coordinates: _Optional[_Union[Coordinates, _Mapping]] = ...) -> None: ...

class Variable(_message.Message):
    __slots__ = ("name", "shape", "dims", "unit", "diagnostic")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    DIMS_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    DIAGNOSTIC_FIELD_NUMBER: _ClassVar[int]
    name: str
    shape: _containers.RepeatedScalarFieldContainer[int]
    dims: _containers.RepeatedScalarFieldContainer[str]
    unit: str
    diagnostic: bool
    def __init__(self, name: _Optional[str] = ..., shape: _Optional[_Iterable[int]] = ..., dims: _Optional[_Iterable[str]] = ..., unit: _Optional[str] = ..., diagnostic: _Optional[bool] = ...) -> None: ...

class Coordinates(_message.Message):
    __slots__ = ("dims", "period", "points", "grid")
    DIMS_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    GRID_FIELD_NUMBER: _ClassVar[int]
    dims: _containers.RepeatedScalarFieldContainer[str]
    period: _containers.RepeatedScalarFieldContainer[float]
    points: _containers.RepeatedScalarFieldContainer[float]
    grid: _containers.RepeatedCompositeFieldContainer[GridPart]
    def __init__(self, dims: _Optional[_Iterable[str]] = ..., period: _Optional[_Iterable[float]] = ..., points: _Optional[_Iterable[float]] = ..., grid: _Optional[_Iterable[_Union[GridPart, _Mapping]]] = ...) -> None: ...

class GridPart(_message.Message):
    __slots__ = ("count", "first", "stride", "axes")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    STRIDE_FIELD_NUMBER: _ClassVar[int]
    AXES_FIELD_NUMBER: _ClassVar[int]
    count: int
    first: int
    stride: int
    axes: _containers.RepeatedCompositeFieldContainer[GridAxis]
    def __init__(self, count: _Optional[int] = ..., first: _Optional[int] = ..., stride: _Optional[int] = ..., axes: _Optional[_Iterable[_Union[GridAxis, _Mapping]]] = ...) -> None: ...

class GridAxis(_message.Message):
    __slots__ = ("spacing", "every", "length", "origin")
    SPACING_FIELD_NUMBER: _ClassVar[int]
    EVERY_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    spacing: float
    every: int
    length: int
    origin: float
    def __init__(self, spacing: _Optional[float] = ..., every: _Optional[int] = ..., length: _Optional[int] = ..., origin: _Optional[float] = ...) -> None: ...

class ErrorModel(_message.Message):
    __slots__ = ("dist", "sd", "df")
    DIST_FIELD_NUMBER: _ClassVar[int]
    SD_FIELD_NUMBER: _ClassVar[int]
    DF_FIELD_NUMBER: _ClassVar[int]
    dist: str
    sd: _containers.RepeatedScalarFieldContainer[float]
    df: float
    def __init__(self, dist: _Optional[str] = ..., sd: _Optional[_Iterable[float]] = ..., df: _Optional[float] = ...) -> None: ...

class ObservationSpace(_message.Message):
    __slots__ = ("layout", "offers", "cutoffs")
    LAYOUT_FIELD_NUMBER: _ClassVar[int]
    OFFERS_FIELD_NUMBER: _ClassVar[int]
    CUTOFFS_FIELD_NUMBER: _ClassVar[int]
    layout: Layout
    offers: _containers.RepeatedScalarFieldContainer[str]
    cutoffs: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, layout: _Optional[_Union[Layout, _Mapping]] = ..., offers: _Optional[_Iterable[str]] = ..., cutoffs: _Optional[_Iterable[float]] = ...) -> None: ...

class SessionRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SessionEvent(_message.Message):
    __slots__ = ("log",)
    LOG_FIELD_NUMBER: _ClassVar[int]
    log: LogRecord
    def __init__(self, log: _Optional[_Union[LogRecord, _Mapping]] = ...) -> None: ...

class LogRecord(_message.Message):
    __slots__ = ("level", "message", "fields")
    class FieldsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    level: str
    message: str
    fields: _containers.ScalarMap[str, str]
    def __init__(self, level: _Optional[str] = ..., message: _Optional[str] = ..., fields: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Frame(_message.Message):
    __slots__ = ("header", "end", "channel", "shm", "ipc")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    SHM_FIELD_NUMBER: _ClassVar[int]
    IPC_FIELD_NUMBER: _ClassVar[int]
    header: CallHeader
    end: CallEnd
    channel: Channel
    shm: Shared
    ipc: bytes
    def __init__(self, header: _Optional[_Union[CallHeader, _Mapping]] = ..., end: _Optional[_Union[CallEnd, _Mapping]] = ..., channel: _Optional[_Union[Channel, str]] = ..., shm: _Optional[_Union[Shared, _Mapping]] = ..., ipc: _Optional[bytes] = ...) -> None: ...

class Shared(_message.Message):
    __slots__ = ("slot", "length", "generation")
    SLOT_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    slot: int
    length: int
    generation: int
    def __init__(self, slot: _Optional[int] = ..., length: _Optional[int] = ..., generation: _Optional[int] = ...) -> None: ...

class CallHeader(_message.Message):
    __slots__ = ("configuration", "call", "cycle", "time_from", "time_to", "members", "first_member", "seed_hi", "seed_lo", "sends", "wants", "carry", "log_weights", "error_variance", "shm", "fraction", "seen", "series", "timeout", "numbers")
    CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    CYCLE_FIELD_NUMBER: _ClassVar[int]
    TIME_FROM_FIELD_NUMBER: _ClassVar[int]
    TIME_TO_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    FIRST_MEMBER_FIELD_NUMBER: _ClassVar[int]
    SEED_HI_FIELD_NUMBER: _ClassVar[int]
    SEED_LO_FIELD_NUMBER: _ClassVar[int]
    SENDS_FIELD_NUMBER: _ClassVar[int]
    WANTS_FIELD_NUMBER: _ClassVar[int]
    CARRY_FIELD_NUMBER: _ClassVar[int]
    LOG_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    ERROR_VARIANCE_FIELD_NUMBER: _ClassVar[int]
    SHM_FIELD_NUMBER: _ClassVar[int]
    FRACTION_FIELD_NUMBER: _ClassVar[int]
    SEEN_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    configuration: str
    call: int
    cycle: int
    time_from: float
    time_to: float
    members: int
    first_member: int
    seed_hi: int
    seed_lo: int
    sends: _containers.RepeatedScalarFieldContainer[Channel]
    wants: _containers.RepeatedScalarFieldContainer[Channel]
    carry: bytes
    log_weights: _containers.RepeatedScalarFieldContainer[float]
    error_variance: _containers.RepeatedScalarFieldContainer[float]
    shm: str
    fraction: _containers.RepeatedScalarFieldContainer[float]
    seen: int
    series: bool
    timeout: float
    numbers: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, configuration: _Optional[str] = ..., call: _Optional[int] = ..., cycle: _Optional[int] = ..., time_from: _Optional[float] = ..., time_to: _Optional[float] = ..., members: _Optional[int] = ..., first_member: _Optional[int] = ..., seed_hi: _Optional[int] = ..., seed_lo: _Optional[int] = ..., sends: _Optional[_Iterable[_Union[Channel, str]]] = ..., wants: _Optional[_Iterable[_Union[Channel, str]]] = ..., carry: _Optional[bytes] = ..., log_weights: _Optional[_Iterable[float]] = ..., error_variance: _Optional[_Iterable[float]] = ..., shm: _Optional[str] = ..., fraction: _Optional[_Iterable[float]] = ..., seen: _Optional[int] = ..., series: _Optional[bool] = ..., timeout: _Optional[float] = ..., numbers: _Optional[_Iterable[int]] = ...) -> None: ...

class CallEnd(_message.Message):
    __slots__ = ("members", "failures", "metrics", "carry", "log_weights", "ancestors", "error_variance")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    CARRY_FIELD_NUMBER: _ClassVar[int]
    LOG_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    ANCESTORS_FIELD_NUMBER: _ClassVar[int]
    ERROR_VARIANCE_FIELD_NUMBER: _ClassVar[int]
    members: int
    failures: _containers.RepeatedCompositeFieldContainer[MemberFailure]
    metrics: _containers.ScalarMap[str, float]
    carry: bytes
    log_weights: _containers.RepeatedScalarFieldContainer[float]
    ancestors: _containers.RepeatedScalarFieldContainer[int]
    error_variance: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, members: _Optional[int] = ..., failures: _Optional[_Iterable[_Union[MemberFailure, _Mapping]]] = ..., metrics: _Optional[_Mapping[str, float]] = ..., carry: _Optional[bytes] = ..., log_weights: _Optional[_Iterable[float]] = ..., ancestors: _Optional[_Iterable[int]] = ..., error_variance: _Optional[_Iterable[float]] = ...) -> None: ...

class MemberFailure(_message.Message):
    __slots__ = ("member", "reason", "retryable", "kind")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    member: int
    reason: str
    retryable: bool
    kind: str
    def __init__(self, member: _Optional[int] = ..., reason: _Optional[str] = ..., retryable: _Optional[bool] = ..., kind: _Optional[str] = ...) -> None: ...

class Error(_message.Message):
    __slots__ = ("kind", "where", "what", "hint", "exit_code", "stderr", "trace")
    KIND_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    WHAT_FIELD_NUMBER: _ClassVar[int]
    HINT_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    STDERR_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    kind: str
    where: str
    what: str
    hint: str
    exit_code: int
    stderr: str
    trace: str
    def __init__(self, kind: _Optional[str] = ..., where: _Optional[str] = ..., what: _Optional[str] = ..., hint: _Optional[str] = ..., exit_code: _Optional[int] = ..., stderr: _Optional[str] = ..., trace: _Optional[str] = ...) -> None: ...
