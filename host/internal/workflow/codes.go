package workflow

import (
	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/tomltext"
)

// Codes of the findings in workflows. E1xx is about the text, E2xx about keys and
// values; E3xx and E4xx are for the layers after this package.
const (
	codeProfile diag.Code = "E106"

	codeUnknown    diag.Code = "E201"
	codeMissing    diag.Code = "E202"
	codeType       diag.Code = "E203"
	codeRange      diag.Code = "E204"
	codeChoice     diag.Code = "E205"
	codeOneOf      diag.Code = "E206"
	codeArithmetic diag.Code = "E207"
	codeName       diag.Code = "E208"
	codeDuplicate  diag.Code = "E209"
	codeReference  diag.Code = "E210"
	codeConflict   diag.Code = "E211"
)

// Codes explains the codes of this package and of package tomltext.
func Codes() []diag.Entry {
	return []diag.Entry{
		{Code: tomltext.CodeSyntax, Means: "the text is not TOML", Remedy: "fix the line at the caret; text goes in quotes, the name of a table in brackets"},
		{Code: tomltext.CodeRepeated, Means: "a key is defined twice", Remedy: "remove one of them"},
		{Code: tomltext.CodeTooLarge, Means: "the text, or what it asks for, is too large", Remedy: "put data into separate files; split what is too large"},
		{Code: tomltext.CodeUnreadable, Means: "a file cannot be read", Remedy: "check the path: a relative one starts at the folder of the file that contains it"},
		{Code: tomltext.CodeFlag, Means: "a --set is not key=value", Remedy: "write --set time.cycles=50"},
		{Code: codeProfile, Means: "there is no such profile", Remedy: "choose a profile of the workflow"},
		{Code: tomltext.CodeInclude, Means: "a file includes itself", Remedy: "remove it, there or from one of the files in between"},
		{Code: codeUnknown, Means: "a key that does not exist", Remedy: "see the tables above; a parameter of a plugin goes into its params"},
		{Code: codeMissing, Means: "a required key is missing", Remedy: "add it"},
		{Code: codeType, Means: "a value of the wrong type", Remedy: "write a value of the type in the message; arithmetic starts with an equals sign"},
		{Code: codeRange, Means: "a value out of range", Remedy: "choose a value within the range"},
		{Code: codeChoice, Means: "a word that is not one of the choices", Remedy: "choose one of the words in the message"},
		{Code: codeOneOf, Means: "not exactly one of several keys", Remedy: "remove or add one"},
		{Code: codeArithmetic, Means: "an invalid expression", Remedy: "use only numbers, + - * / ( ), pi, sqrt, exp, log, sin and cos"},
		{Code: codeName, Means: "a name with characters that are not allowed", Remedy: "use lower-case letters, digits, - and _"},
		{Code: codeDuplicate, Means: "a label that is already taken, or an item that a list has twice", Remedy: "choose another label, or remove one of the items"},
		{Code: codeReference, Means: "a label or a score that does not exist", Remedy: "choose one that exists"},
		{Code: codeConflict, Means: "two values that contradict each other", Remedy: "change one of them"},
	}
}
