package archive

import (
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/sdk/wire/table"
)

// The sizes of parts of a run's tables in bytes, as Arrow stores them. They are estimates:
// the lengths of texts and the number of diagnostics vary.
const (
	batchBytes  = 1300 // of metadata, for every batch of members
	textBytes   = 8
	diagnostics = 5 // of a filter, in a cycle
)

// rowBytes estimates the size of a row of columns: 8 bytes for a number, 4 for an integer
// or the offset of a text, and the bytes of texts.
func rowBytes(columns []table.Column) int64 {
	var n int64
	for _, c := range columns {
		switch c.Type {
		case table.Int32:
			n += 4
		case table.Text:
			n += 4 + textBytes
		default:
			n += 8
		}
	}
	return n
}

// MemberBytes estimates the size of the members of one cycle and stage.
func MemberBytes(p *plan.Plan, members int) int64 {
	return int64(members)*(rowBytes(membersColumns)+int64(8*p.State.Size())) + batchBytes
}

// TrialBytes estimates the size of the tables of a trial: scores, innovations,
// diagnostics, timings, rank histograms and the ensembles that are stored.
func TrialBytes(keep Keep, p *plan.Plan, t *plan.Trial) int64 {
	kept := int64(0)
	for _, stage := range []bool{keep.Forecast, keep.Analysis} {
		if stage {
			kept++
		}
	}
	described := int64(len(Described(p.State, keep.Variables)))
	each := 2*rowBytes(cyclesColumns(keep.Scored)) + 2*described*rowBytes(variablesColumns) +
		rowBytes(innovationsColumns) + int64(8*p.Space.Layout.Size()) +
		diagnostics*rowBytes(diagnosticsColumns) + rowBytes(timingsColumns) + kept*MemberBytes(p, t.Size)
	return int64(p.Clock.Cycles)*each + int64(2*(t.Size+1))*rowBytes(rankHistogramColumns) + int64(p.Space.Layout.Size())*rowBytes(observedColumns)
}

// TruthBytes estimates the size of a truth and its observations.
func TruthBytes(p *plan.Plan) int64 {
	return int64(p.Clock.Cycles+1)*(rowBytes(clockColumns)+int64(8*p.State.Size())) +
		int64(p.Clock.Cycles)*(rowBytes(observationsColumns)+int64(8*p.Space.Layout.Size()))
}
