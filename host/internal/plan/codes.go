package plan

import "github.com/plume-da/plume/host/internal/diag"

// The codes of what a plan finds; see package workflow for the others.
const (
	codePlugin       diag.Code = "E301"
	codeRole         diag.Code = "E302"
	codeUnknownParam diag.Code = "E303"
	codeParam        diag.Code = "E304"
	codeMissingParam diag.Code = "E305"
	codeConfigure    diag.Code = "E306"
	codeShape        diag.Code = "E307"
	codeStep         diag.Code = "E308"
	codeCapability   diag.Code = "E309"
	codeMembers      diag.Code = "E310"
	codeWhen         diag.Code = "E311"
	codeSamples      diag.Code = "E320"
	codeVariable     diag.Code = "E321"
	codeEstimate     diag.Code = "E322"
)

// Codes are the findings of this package.
func Codes() []diag.Entry {
	return []diag.Entry{
		{Code: codePlugin, Means: "a plugin is missing or does not start", Remedy: "`plume plugins list` shows those there are; [plugins] names others"},
		{Code: codeRole, Means: "a plugin plays another role", Remedy: "name a plugin of the role that is wanted"},
		{Code: codeUnknownParam, Means: "a plugin has no such parameter", Remedy: "`plume plugins describe NAME` lists those it has"},
		{Code: codeParam, Means: "a parameter has the wrong type or is out of range", Remedy: "write what the message wants, or leave it out for the default"},
		{Code: codeMissingParam, Means: "a plugin needs a parameter", Remedy: "add it to params"},
		{Code: codeConfigure, Means: "a plugin refused its configuration", Remedy: "change what its message names"},
		{Code: codeShape, Means: "a list or a state has the wrong length", Remedy: "give one number for all, or one for each value"},
		{Code: codeStep, Means: "a span of time is no whole number of time steps, or more than 5e8", Remedy: "change the span or the step"},
		{Code: codeCapability, Means: "an operator does not offer what a filter needs", Remedy: "choose other parameters, another operator or another law of errors"},
		{Code: codeMembers, Means: "members that depend on each other are to be split", Remedy: "remove replicas"},
		{Code: codeWhen, Means: "a parameter does not apply with the others as they are", Remedy: "leave it out, or choose what it applies with; sweep.exclude leaves combinations of axes out"},
		{Code: codeSamples, Means: "a file of members cannot be used", Remedy: "fix the file: one member a row, a column for every variable, finite numbers"},
		{Code: codeVariable, Means: "a name that is no variable of the state, or a variable without a number", Remedy: "name the variables of the state"},
		{Code: codeEstimate, Means: "a parameter cannot be estimated", Remedy: "`plume plugins describe NAME` says which parameters may differ by member"},
	}
}
