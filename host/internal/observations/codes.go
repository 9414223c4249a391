package observations

import "github.com/plume-da/plume/host/internal/diag"

// The codes of the findings in files and in the keys of the workflow about them.
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
	codeChanged   diag.Code = "E410"
	codeBelated   diag.Code = "E411"
	codeInterval  diag.Code = "E416"
)

// Codes are the findings of this package.
func Codes() []diag.Entry {
	return []diag.Entry{
		{Code: codeFile, Means: "a file of observations cannot be read", Remedy: "check that it exists, is complete and has the format of its extension"},
		{Code: codeColumn, Means: "a column is missing, or two have its name", Remedy: "name a column of the file"},
		{Code: codeValue, Means: "a cell is not a number, or the number is not possible", Remedy: "fix the row, write decimal or thousands, or add the text to `missing`"},
		{Code: codeTime, Means: "a cell is not a time, or the time does not exist", Remedy: "fix the row, or write time.format and time.timezone"},
		{Code: codeEarly, Means: "an observation is not after the start", Remedy: "choose an earlier time.start, or write qc.early = \"reject\""},
		{Code: codeDuplicate, Means: "one component has two values in one cycle", Remedy: "write qc.duplicates, or a smaller time.window"},
		{Code: codeMap, Means: "a column is mapped to something that is not observed", Remedy: "`plume plan` shows what the operator observes"},
		{Code: codeNothing, Means: "no observation is left", Remedy: "check the columns, ranges and locations in the map"},
		{Code: codeCycles, Means: "there would be too many cycles", Remedy: "check the times in the file, or choose a longer time.interval, or none"},
		{Code: codeChanged, Means: "rows that a run has read have changed", Remedy: "restore them, or run the workflow again, or write late = \"rerun\""},
		{Code: codeInterval, Means: "a mean or a sum is not at the end of an interval", Remedy: "check the times in the file, or choose another time.start or number of cycles"},
		{Code: codeBelated, Means: "an observation arrived after later ones had been assimilated", Remedy: "write late = \"ignore\" or late = \"rerun\""},
	}
}
