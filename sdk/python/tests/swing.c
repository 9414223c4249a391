/* A pendulum with a bearing that heats up, as an FMU for co-simulation of FMI 3. Only angle and
 * speed are outputs; the heat is inside. Values: 0 angle, 1 speed, 2 friction, 3 length. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "fmi3FunctionTypes.h"

typedef struct { double value[4], heat; } swing;

fmi3Status fmi3Reset(fmi3Instance s);

fmi3Instance fmi3InstantiateCoSimulation(fmi3String n, fmi3String t, fmi3String r, fmi3Boolean v, fmi3Boolean l, fmi3Boolean e,
    fmi3Boolean a, const fmi3ValueReference q[], size_t nq, fmi3InstanceEnvironment env, fmi3LogMessageCallback m,
    fmi3IntermediateUpdateCallback u) {
    swing *s = calloc(1, sizeof *s);
    fmi3Reset(s);
    return s;
}
void fmi3FreeInstance(fmi3Instance s) { free(s); }
fmi3Status fmi3Reset(fmi3Instance s) { *(swing *)s = (swing){{1.0, 0.0, 0.1, 1.0}, 0.0}; return fmi3OK; }
fmi3Status fmi3EnterInitializationMode(fmi3Instance s, fmi3Boolean d, fmi3Float64 t, fmi3Float64 start, fmi3Boolean e, fmi3Float64 stop) { return fmi3OK; }
fmi3Status fmi3ExitInitializationMode(fmi3Instance s) { return fmi3OK; }
fmi3Status fmi3Terminate(fmi3Instance s) { return fmi3OK; }
fmi3Status fmi3GetFloat64(fmi3Instance s, const fmi3ValueReference vr[], size_t n, fmi3Float64 v[], size_t nv) {
    for (size_t i = 0; i < n; i++) v[i] = ((swing *)s)->value[vr[i]];
    return fmi3OK;
}
fmi3Status fmi3SetFloat64(fmi3Instance s, const fmi3ValueReference vr[], size_t n, const fmi3Float64 v[], size_t nv) {
    for (size_t i = 0; i < n; i++) ((swing *)s)->value[vr[i]] = v[i];
    return fmi3OK;
}
fmi3Status fmi3DoStep(fmi3Instance p, fmi3Float64 from, fmi3Float64 length, fmi3Boolean no, fmi3Boolean *event, fmi3Boolean *end,
    fmi3Boolean *early, fmi3Float64 *reached) {
    swing *s = p;
    double *v = s->value, h = length / 100; // it is at its end far on the left
    if (fabs(v[0]) > 100) return fmi3Error;
    for (int i = 0; i < 100; i++) {
        double push = v[2] / (1 + s->heat) * v[1];
        v[1] += h * (-9.81 / v[3] * sin(v[0]) - push + 2 * cos(from + i * h));
        v[0] += h * v[1];
        s->heat += h * (v[1] * v[1] - 0.2 * s->heat);
    }
    *event = *early = fmi3False;
    *end = v[0] < -50;
    *reached = from + length;
    return fmi3OK;
}
fmi3Status fmi3GetFMUState(fmi3Instance s, fmi3FMUState *state) {
    if (!*state) *state = malloc(sizeof(swing));
    memcpy(*state, s, sizeof(swing));
    return fmi3OK;
}
fmi3Status fmi3SetFMUState(fmi3Instance s, fmi3FMUState state) { memcpy(s, state, sizeof(swing)); return fmi3OK; }
fmi3Status fmi3FreeFMUState(fmi3Instance s, fmi3FMUState *state) { free(*state); *state = NULL; return fmi3OK; }
fmi3Status fmi3SerializedFMUStateSize(fmi3Instance s, fmi3FMUState state, size_t *size) { *size = sizeof(swing); return fmi3OK; }
fmi3Status fmi3SerializeFMUState(fmi3Instance s, fmi3FMUState state, fmi3Byte bytes[], size_t size) { memcpy(bytes, state, size); return fmi3OK; }
fmi3Status fmi3DeserializeFMUState(fmi3Instance s, const fmi3Byte bytes[], size_t size, fmi3FMUState *state) {
    if (!*state) *state = malloc(sizeof(swing));
    memcpy(*state, bytes, size);
    return fmi3OK;
}

/* fmpy wants every function of the standard to be there. */
#define ABSENT(name) fmi3Status name(void) { return fmi3Error; }
ABSENT(fmi3GetVersion) ABSENT(fmi3SetDebugLogging) ABSENT(fmi3InstantiateModelExchange)
ABSENT(fmi3InstantiateScheduledExecution) ABSENT(fmi3EnterEventMode) ABSENT(fmi3GetFloat32)
ABSENT(fmi3GetInt8) ABSENT(fmi3GetUInt8) ABSENT(fmi3GetInt16) ABSENT(fmi3GetUInt16) ABSENT(fmi3GetInt32)
ABSENT(fmi3GetUInt32) ABSENT(fmi3GetInt64) ABSENT(fmi3GetUInt64) ABSENT(fmi3GetBoolean) ABSENT(fmi3GetString)
ABSENT(fmi3GetBinary) ABSENT(fmi3GetClock) ABSENT(fmi3SetFloat32) ABSENT(fmi3SetInt8) ABSENT(fmi3SetUInt8)
ABSENT(fmi3SetInt16) ABSENT(fmi3SetUInt16) ABSENT(fmi3SetInt32) ABSENT(fmi3SetUInt32) ABSENT(fmi3SetInt64)
ABSENT(fmi3SetUInt64) ABSENT(fmi3SetBoolean) ABSENT(fmi3SetString) ABSENT(fmi3SetBinary) ABSENT(fmi3SetClock)
ABSENT(fmi3GetNumberOfVariableDependencies) ABSENT(fmi3GetVariableDependencies) ABSENT(fmi3GetDirectionalDerivative)
ABSENT(fmi3GetAdjointDerivative) ABSENT(fmi3EnterConfigurationMode) ABSENT(fmi3ExitConfigurationMode)
ABSENT(fmi3GetIntervalDecimal) ABSENT(fmi3GetIntervalFraction) ABSENT(fmi3GetShiftDecimal)
ABSENT(fmi3GetShiftFraction) ABSENT(fmi3SetIntervalDecimal) ABSENT(fmi3SetIntervalFraction)
ABSENT(fmi3SetShiftDecimal) ABSENT(fmi3SetShiftFraction) ABSENT(fmi3EvaluateDiscreteStates)
ABSENT(fmi3UpdateDiscreteStates) ABSENT(fmi3EnterContinuousTimeMode) ABSENT(fmi3CompletedIntegratorStep)
ABSENT(fmi3SetTime) ABSENT(fmi3SetContinuousStates) ABSENT(fmi3GetContinuousStateDerivatives)
ABSENT(fmi3GetEventIndicators) ABSENT(fmi3GetContinuousStates) ABSENT(fmi3GetNominalsOfContinuousStates)
ABSENT(fmi3GetNumberOfEventIndicators) ABSENT(fmi3GetNumberOfContinuousStates) ABSENT(fmi3EnterStepMode)
ABSENT(fmi3GetOutputDerivatives) ABSENT(fmi3ActivateModelPartition)
