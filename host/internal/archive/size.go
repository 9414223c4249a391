package archive

import "github.com/plume-da/plume/host/internal/plan"

// The sizes of a run's tables, in bytes, as Arrow stores them: 8 for a number, 4 for
// an integer or the offset of a text, and of texts their letters. They are estimates:
// names of labels and diagnostics vary.
const (
	batchBytes      = 1300 // of metadata, for every batch of members
	cycleBytes      = 2 * 160
	innovationBytes = 50
	diagnosticBytes = 5 * 40
	timingBytes     = 60
)

// MemberBytes estimates what the members of one cycle and stage take.
func MemberBytes(p *plan.Plan, members int) int64 {
	return int64(members*(8*p.State.Size()+41) + batchBytes)
}

// TrialBytes estimates what a trial writes: scores, innovations, diagnostics,
// timings, rank histograms and the ensembles that are kept.
func TrialBytes(keep Keep, p *plan.Plan, t *plan.Trial) int64 {
	stages := int64(0)
	for _, kept := range []bool{keep.Forecast, keep.Analysis} {
		if kept {
			stages++
		}
	}
	described := 2 * len(Described(p.State, keep.Variables)) * (100 + len(t.Label))
	each := cycleBytes + innovationBytes + diagnosticBytes + timingBytes + int64(described+8*p.Space.Layout.Size()) + stages*MemberBytes(p, t.Size)
	return int64(p.Clock.Cycles)*each + int64(2*(t.Size+1)*50)
}

// TruthBytes estimates what a truth and its observations take.
func TruthBytes(p *plan.Plan) int64 {
	return int64(p.Clock.Cycles+1) * int64(8*p.State.Size()+8*p.Space.Layout.Size()+32)
}
