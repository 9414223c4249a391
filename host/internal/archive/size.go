package archive

import (
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"

	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/sdk/wire/table"
)

// The sizes of parts of a run's tables in bytes, as Arrow stores them. They are estimates:
// the lengths of texts and the number of diagnostics vary. They are of type float64 because
// no product of sizes overflows it.
const (
	batchBytes  = 1300 // of metadata, for every batch of members
	textBytes   = 8
	diagnostics = 5 // of a filter, in a cycle
	timeBytes   = 8 // a model time, which is there if times are dates
)

// rowBytes estimates the size of a row of columns: 8 bytes for a number, 4 for an integer
// or the offset of a text, and the bytes of texts. Packed columns take next to nothing.
func rowBytes(columns []table.Column) float64 {
	var n float64
	for _, c := range columns {
		if c.Packed {
			continue
		}
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

// MemberBytes estimates the size of the members of one cycle and stage, of which all is stored.
func MemberBytes(p *plan.Plan, members int) float64 { return memberBytes(members, 8*p.State.Size()) }

func memberBytes(members, bytes int) float64 {
	return float64(members)*(rowBytes(membersColumns)+float64(bytes)) + batchBytes
}

// TrialBytes estimates the size of the tables of a trial: scores, innovations,
// diagnostics, timings, rank histograms and the ensembles that are stored.
func TrialBytes(keep Keep, p *plan.Plan, t *plan.Trial) float64 {
	kept := 0.0
	for _, stage := range []bool{keep.Forecast, keep.Analysis, keep.Smoothed} {
		if stage {
			kept++
		}
	}
	bytes := 8 * keep.stored(p.State).Size()
	if keep.Single {
		bytes /= 2
	}
	return partBytes(keep, p, t) + float64(p.Clock.Cycles/max(1, keep.Every))*kept*memberBytes(keep.membersOf(t.Size), bytes)
}

// WritingBytes returns the memory that writing an ensemble takes: that of the members of a stage
// that are stored, if they are a part of them or stored as float32.
func WritingBytes(keep Keep, p *plan.Plan, t *plan.Trial) (bytes float64) {
	if !keep.Forecast && !keep.Analysis {
		return 0
	}
	values := float64(keep.membersOf(t.Size)) * float64(keep.stored(p.State).Size())
	if values < float64(t.Size)*float64(p.State.Size()) {
		bytes += 8 * values
	}
	if keep.Single {
		bytes += 4 * values
	}
	return bytes
}

// partBytes estimates the size of the tables of a trial that are joined with those of other
// trials when the run ends.
func partBytes(keep Keep, p *plan.Plan, t *plan.Trial) float64 {
	described := float64(len(Described(p.State, keep.Variables)))
	stages := 2.0
	if t.Smooth > 0 {
		stages++
	}
	each := stages*rowBytes(cyclesColumns(keep.Scored)) + stages*described*rowBytes(variablesColumns) +
		rowBytes(innovationsColumns) + 8*float64(p.Space.Layout.Size()) +
		diagnostics*(rowBytes(diagnosticsColumns)+timeBytes) + rowBytes(timingsColumns) + timeBytes
	if a := p.Ahead; a != nil {
		values := float64(a.Leads) * (described + float64(len(Described(p.Space.Layout, keep.Variables))))
		each += values / float64(a.Every) * (rowBytes(forecastColumns) + rowBytes(verificationColumns) + float64(len(a.Exceed))*rowBytes(exceedColumns))
	}
	return float64(p.Clock.Cycles)*each + stages*float64(t.Size+1)*rowBytes(rankHistogramColumns) + float64(p.Space.Layout.Size())*rowBytes(observedColumns)
}

// PassingBytes estimates the size of what a trial stores until the run has ended, in
// addition to [TrialBytes]: two checkpoints, of which one takes the place of the other, and
// tables before they are joined.
func PassingBytes(keep Keep, p *plan.Plan, t *plan.Trial) (checkpoints, parts float64) {
	times := 1 // whose states a checkpoint holds
	if t.Window != nil {
		times += t.Window.Length
	}
	times = max(times, t.Every, 1+t.Smooth)
	return 2 * 8 * float64(times) * float64(t.Size) * float64(p.State.Size()), partBytes(keep, p, t)
}

// TruthBytes estimates the size of a truth and its observations.
func TruthBytes(p *plan.Plan) float64 {
	cycles := float64(p.Clock.Cycles)
	return (cycles+1)*(rowBytes(clockColumns)+8*float64(p.State.Size())) +
		cycles*(rowBytes(observationsColumns)+8*float64(p.Space.Layout.Size()))
}

// Free returns the bytes that the file system of dir, which need not exist, has left for
// this user.
func Free(dir string) (float64, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return 0, err
	}
	for {
		var s syscall.Statfs_t
		err := syscall.Statfs(dir, &s)
		switch parent := filepath.Dir(dir); {
		case err == nil:
			return float64(s.Bavail) * float64(s.Bsize), nil
		case !errors.Is(err, fs.ErrNotExist) || parent == dir:
			return 0, err
		default:
			dir = parent
		}
	}
}
