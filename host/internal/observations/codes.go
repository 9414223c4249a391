package observations

import "github.com/plume-da/plume/host/internal/diag"

// The codes of what is found in files and in what the workflow says about them.
const (
	codeFile      diag.Code = "E401"
	codeColumn    diag.Code = "E402"
	codeValue     diag.Code = "E403"
	codeTime      diag.Code = "E404"
	codeEarly     diag.Code = "E405"
	codeDuplicate diag.Code = "E406"
	codeMap       diag.Code = "E407"
	codeNothing   diag.Code = "E408"
	codeCycles    diag.Code = "E409"
)

// Codes are the findings of this package.
func Codes() []diag.Entry {
	return []diag.Entry{
		{Code: codeFile, Means: "a file of observations cannot be read", Remedy: "see that it is there and whole, and what its name says it is"},
		{Code: codeColumn, Means: "a column is missing, or there twice", Remedy: "name a column of the file"},
		{Code: codeValue, Means: "a cell is not a number, or not one that can be", Remedy: "fix the row, write decimal or thousands, or add the text to `missing`"},
		{Code: codeTime, Means: "a cell is not a time, or not one that exists", Remedy: "fix the row, or write time.format and time.timezone"},
		{Code: codeEarly, Means: "an observation is not after the start", Remedy: "let time.start be earlier, or write qc.early = \"reject\""},
		{Code: codeDuplicate, Means: "one component has two values in one cycle", Remedy: "write qc.duplicates, or a smaller time.window"},
		{Code: codeMap, Means: "a column is mapped to what is not observed", Remedy: "`plume plan` shows what the operator observes"},
		{Code: codeNothing, Means: "no observation is left", Remedy: "see the columns, ranges and places that are mapped"},
		{Code: codeCycles, Means: "there would be too many cycles", Remedy: "see the times of the file, or give a longer time.interval, or none"},
	}
}
