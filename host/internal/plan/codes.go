package plan

import "github.com/plume-da/plume/host/internal/diag"

// The codes of the findings of a plan; see package workflow for the others.
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
	codeWindow       diag.Code = "E312"
	codeSmooth       diag.Code = "E313"
	codeWhole        diag.Code = "E314"
	codeEvery        diag.Code = "E340"
	codeOver         diag.Code = "E341"
	codeName         diag.Code = "E342"
	codeFile         diag.Code = "E345"
	codeExpect       diag.Code = "E347"
	codePublished    diag.Code = "E348"
	codeClock        diag.Code = "E351"
	codeSamples      diag.Code = "E320"
	codeVariable     diag.Code = "E321"
	codeEstimate     diag.Code = "E322"
	codeBounds       diag.Code = "E323"
	codeDiagnostic   diag.Code = "E324"
)

// Codes are the findings of this package.
func Codes() []diag.Entry {
	return []diag.Entry{
		{Code: codePlugin, Means: "a plugin is missing or does not start", Remedy: "`plume plugins list` shows the available plugins; [plugins] can name others"},
		{Code: codeRole, Means: "a plugin has another role", Remedy: "name a plugin of the role in the message"},
		{Code: codeUnknownParam, Means: "a plugin has no such parameter", Remedy: "`plume plugins describe NAME` lists its parameters"},
		{Code: codeParam, Means: "a parameter has the wrong type or is out of range", Remedy: "write a value as in the message, or omit the parameter to get the default"},
		{Code: codeMissingParam, Means: "a plugin needs a parameter", Remedy: "add it to params"},
		{Code: codeConfigure, Means: "a plugin refused its configuration", Remedy: "change the key that its message names"},
		{Code: codeShape, Means: "a list or a state has the wrong length", Remedy: "give one number for all, or one for each value"},
		{Code: codeStep, Means: "a span of time is not a whole number of time steps, or is more than 5e8 of them", Remedy: "change the span or the step"},
		{Code: codeCapability, Means: "an operator does not offer what a filter needs, or a filter what a stream needs", Remedy: "choose other parameters, another operator, filter or error model"},
		{Code: codeMembers, Means: "members that depend on each other cannot be split", Remedy: "remove replicas"},
		{Code: codeWhen, Means: "a parameter does not apply to these values of the others", Remedy: "remove it, or choose values that it applies to; sweep.exclude removes combinations of axes"},
		{Code: codeWindow, Means: "a filter cannot be used with this window", Remedy: "remove the window, or write the values that the message names"},
		{Code: codeSmooth, Means: "a filter cannot smooth", Remedy: "remove smooth, or choose a filter whose manifest says smooths = true"},
		{Code: codeWhole, Means: "a key cannot be combined with a window over the whole record", Remedy: "remove the key that the message names"},
		{Code: codeSamples, Means: "a file of members cannot be used", Remedy: "fix the file: one member per row, a column for every variable, finite numbers"},
		{Code: codeVariable, Means: "a name that is not a variable of the state, or a variable without a number", Remedy: "name the variables of the state"},
		{Code: codeBounds, Means: "bounds of a variable do not make sense", Remedy: "give a lower bound, an upper one above it, or both, to a variable of the state"},
		{Code: codeDiagnostic, Means: "a variable that the model computes, a diagnostic, where one is needed that it goes on from", Remedy: "name a variable of the state that is not a diagnostic, or remove what the message names"},
		{Code: codeEvery, Means: "a filter cannot assimilate the observations of several cycles at once", Remedy: "remove every, or what the message names"},
		{Code: codeOver, Means: "a mean or a sum over several cycles cannot be observed", Remedy: "remove over, or choose another operator or label"},
		{Code: codeName, Means: "a variable is called as something else is in the tables of a run, or in what is made of them", Remedy: "give the variable another name"},
		{Code: codeFile, Means: "a variable has a name that files cannot have", Remedy: "begin it with a letter, a digit or an underscore, and leave out control characters and blanks at its ends"},
		{Code: codeExpect, Means: "a score is expected that no trial can have", Remedy: "remove it, or name a score that the message lists"},
		{Code: codePublished, Means: "a published score is of a baseline that the experiment does not have, or of members of one", Remedy: "remove it, or give method instead of filter"},
		{Code: codeClock, Means: "model times are too large for the time between them", Remedy: "choose a time.start nearer to 0, or a date, which is model time 0"},
		{Code: codeEstimate, Means: "a parameter cannot be estimated", Remedy: "`plume plugins describe NAME` says which parameters may differ by member"},
	}
}
