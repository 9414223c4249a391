// Package names says which names of variables mean what in the tables of a run, in files that
// are exported from it, and in what Python's package makes of it. A plan refuses variables whose
// names mean something else there; exports and readers call dimensions and coordinates otherwise.
package names

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/plume-da/plume/sdk"
)

// Table is a table of a run, or an exported file, in which values of states or of observations have
// columns that are called as the variables are, and the names of its other columns.
type Table struct {
	Name    string
	Columns []string
}

// The tables of a run; package archive writes them.
var (
	Truth        = Table{"truth.arrow", []string{"cycle", "time"}}
	Ensemble     = Table{"ensemble.arrow", []string{"cycle", "time", "stage", "member", "log_weight", "parent"}}
	Smoothed     = Table{"smoothed.arrow", append(slices.Clone(Ensemble.Columns), "lag")}
	Observations = Table{"observations.arrow", []string{"replicate", "truth", "cycle", "time"}}
	Innovations  = Table{"innovations.arrow", []string{"trial", "replicate", "filter", "cycle", "time", "nis", "rms_expected"}}
)

// What exports and readers of a run add where they put all truths or all trials together, and
// where they make draws of members, as ArviZ wants them.
var (
	JoinedTruths  = Table{"the truths of all replicates", []string{"replicate", "truth", "part"}}
	JoinedMembers = Table{"the members of all trials", []string{"trial", "replicate", "filter", "part"}}
	Draws         = Table{"the draws of inference_data", []string{"chain", "draw"}}
)

// What files that `plume export` writes have in addition to the columns of their tables: the first if
// times are dates, the second of forecasts.
var (
	Dated    = Table{"an exported file", []string{"model_time", "date"}}
	Forecast = Table{"an exported forecast", []string{"statistic", "letter", "cycle", "lead", "time", "valid"}}
)

// Taken returns the names that mean something else somewhere, sorted. A variable cannot have one of
// them where it does; it can have any other one in all workflows.
func Taken() []string {
	var all []string
	for _, t := range []Table{Truth, Smoothed, Observations, Innovations, JoinedTruths, JoinedMembers, Draws, Dated, Forecast} {
		all = append(all, t.Columns...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Array returns the name that an array has whose variable, dimension or axis has a name: a slash
// would be a folder, which netCDF does not allow.
func Array(name string) string { return strings.ReplaceAll(name, "/", "_") }

// longest is the length in bytes of the longest name: netCDF and file systems allow 255, and some names
// are made of two.
const longest = 100

// Fault returns why no file can have an array of a name, as the end of a sentence; empty: it can.
// These are the rules of netCDF for names, and those of Zarr, where arrays are folders.
func Fault(name string) string {
	first, _ := utf8.DecodeRuneInString(name)
	switch {
	case !utf8.ValidString(name):
		return "is not UTF-8"
	case len(name) > longest:
		return "has " + strconv.Itoa(len(name)) + " bytes, of which files allow " + strconv.Itoa(longest)
	case first < utf8.RuneSelf && first != '_' && !unicode.IsLetter(first) && !unicode.IsDigit(first):
		return "does not begin with a letter, a digit or an underscore"
	case strings.ContainsFunc(name, unicode.IsControl):
		return "has a control character"
	case strings.TrimSpace(name) != name:
		return "begins or ends with a blank"
	case name == "zarr.json" || strings.HasPrefix(name, "__"):
		return "means something else in stores of Zarr"
	}
	return ""
}

// Shared returns two variables of a layout of which something has one name in exported files, and that name;
// false: there are none. It is that of their arrays, or that of a value of one, in tables with a column for
// each value, and that of the other or of one of its values.
func Shared(l *sdk.Layout) (one, other sdk.Variable, name string, shared bool) {
	byName, byArray := map[string]sdk.Variable{}, map[string]sdk.Variable{}
	for _, v := range l.Variables {
		name := Array(v.Name)
		if one, taken := byArray[name]; taken {
			return one, v, name, true
		}
		byName[v.Name], byArray[name] = v, v
	}
	for _, v := range l.Variables {
		for end := strings.LastIndexByte(v.Name, '_'); end > 0; end = strings.LastIndexByte(v.Name[:end], '_') {
			of, found := byName[v.Name[:end]]
			if found && hasIndices(of, strings.Split(v.Name[end+1:], "_"), len(v.Shape)) {
				return of, v, v.Name + strings.Repeat("_0", len(v.Shape)), true
			}
		}
	}
	return one, other, "", false
}

// hasIndices reports whether a value of v has the indices, and as many more.
func hasIndices(v sdk.Variable, indices []string, more int) bool {
	if len(indices)+more != len(v.Shape) {
		return false
	}
	for d, text := range indices {
		if i, err := strconv.Atoi(text); err != nil || i < 0 || i >= v.Shape[d] || strconv.Itoa(i) != text {
			return false
		}
	}
	return true
}
