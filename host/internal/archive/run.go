// Package archive reads and writes run directories: the tables and the manifest of a
// run. It also finds and compares runs. Files and columns are listed in schema.go,
// from which docs/reference/run-directory.md is made.
//
// A file that is being written is called NAME.part, see package table. Tables of all
// trials are written as one part per trial and joined in the order of trials when
// the run ends, so that their bytes do not depend on which trial was faster.
package archive

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plume-da/plume/host/internal/observations"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/sdk/wire/table"
	"golang.org/x/sync/errgroup"
)

// Run is a run directory that is being written.
type Run struct {
	Dir  string
	info Info
	lock *os.File

	mu   sync.Mutex
	sums map[string]string // sha256 of some of the complete files, by path below Dir
}

// Create makes a run directory below root, for this process alone, and writes its
// manifest and workflow.
func Create(root string, info Info, given, resolved []byte) (*Run, error) {
	info.Format, info.Status, info.Started = format, Running, time.Now().UTC()
	r := &Run{info: info, sums: map[string]string{}}
	var err error
	if r.Dir, err = newDir(filepath.Join(root, info.Name), info.Started); err != nil {
		return nil, err
	}
	if r.lock, err = lock(r.Dir); err != nil {
		return nil, err
	}
	return r, errors.Join(
		writeInfo(r.Dir, &r.info),
		writeNew(filepath.Join(r.Dir, "workflow.toml"), given),
		writeNew(filepath.Join(r.Dir, ResolvedFile), resolved),
	)
}

// newDir makes a new directory, named by the time: the second and a fraction of it, so
// that names are in order of time.
func newDir(parent string, at time.Time) (string, error) {
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", err
	}
	stamp := at.Format("20060102T150405Z")
	for i := range 1 << 16 {
		dir := filepath.Join(parent, fmt.Sprintf("%s-%04x", stamp, (at.Nanosecond()<<16/1e9+i)&0xffff))
		if err := os.Mkdir(dir, 0o755); !errors.Is(err, os.ErrExist) {
			return dir, err
		}
	}
	return "", fmt.Errorf("%s: no free name for %s", parent, stamp)
}

// Discard removes the run directory, and the folder of its experiment if there is no other run.
func (r *Run) Discard() error {
	err := os.RemoveAll(r.Dir)
	_ = os.Remove(filepath.Dir(r.Dir)) // of an experiment with other runs it stays
	return err
}

// Path returns the path of a file of the run that is about to be written, and makes its
// folders, unless the directory of the run is not there any more.
func (r *Run) Path(parts ...string) (string, error) {
	name := filepath.Join(parts...)
	r.mu.Lock()
	delete(r.sums, name)
	r.mu.Unlock()
	folder := r.Dir
	for _, part := range parts[:len(parts)-1] {
		folder = filepath.Join(folder, part)
		if err := os.Mkdir(folder, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return "", err
		}
	}
	return filepath.Join(r.Dir, name), nil
}

// write writes a table in one go.
func (r *Run) write(columns []table.Column, rows int, values []any, path ...string) error {
	file, err := r.Path(path...)
	if err != nil {
		return err
	}
	w, err := table.Create(file, columns, nil)
	if err != nil {
		return err
	}
	if rows > 0 {
		if err := w.Append(rows, values...); err != nil {
			return errors.Join(err, w.Abandon())
		}
	}
	return w.Close()
}

func scenarioPart(p *plan.Scenario) string {
	return fmt.Sprintf("replicate=%03d-%s", p.Replicate, partName(p.Number))
}

func replicate(p *plan.Scenario) string { return fmt.Sprintf("replicate=%03d", p.Replicate) }

func partName(number int) string { return fmt.Sprintf("part-%05d.arrow", number) }

// ticks returns the columns cycle and time of cycles [from, to).
func ticks(from, to int, times func(int) float64) []any {
	cycles, at := make([]int32, to-from), make([]float64, to-from)
	for k := range cycles {
		cycles[k], at[k] = int32(from+k), times(from+k)
	}
	return []any{cycles, at}
}

// Reference opens the table of the members of the brute-force posterior that the
// trials of p are scored against.
func (r *Run) Reference(t *plan.Scenario, p *plan.Plan) (*Members, error) {
	return r.members(p.State, "reference", replicate(t), partName(p.Reference.Number))
}

// TrialRow describes a trial and how it ended.
type TrialRow struct {
	TrialID
	Truth     int // among those of the replicate, from 0
	Reference int // likewise; -1: none
	Plugin    string
	Size      int
	Values    map[string]any // by axis
	Status    Status
	Error     string
	Cycles    int // completed
}

// Metric is one time mean.
type Metric struct {
	TrialID
	Truth  int
	Metric string
	Stage  string
	Value  float64
	SE     float64 // NaN if not known
	Cycles int     // number of cycles averaged over
	Status Status
}

// parted are the tables that are written as one part per trial or truth.
var parted = []string{"cycles", "variables", "innovations", "observed", "held_out", "rejections", "rank_histogram", "lags", "diagnostics", "timings", "failures", "observations", "forecasts", "exceedances", "verification", "forecast_scores", "reliability", "passes", "start", "fit"}

// Finish writes trials and metrics, joins the tables of all trials, and completes the
// manifest with the checksums of all files. axes are the keys of the axes of the sweep.
// resumable says that trials are left: the files that resuming needs are then kept, among
// them the parts of the tables. The tables of a run that the user stopped are not joined.
// Nothing is removed before the manifest is complete, so that a run can be resumed if its
// end was interrupted or the disk was full.
func (r *Run) Finish(axes []string, trials []TrialRow, metrics []Metric, status Status, resumable bool, cause error) error {
	err := cmp.Or(r.writeTrials(axes, trials), r.writeMetrics(metrics)) // one error is enough
	if status != Interrupted {
		err = cmp.Or(err, r.mergeAll())
	}
	if err != nil {
		status, resumable, cause = Failed, true, errors.Join(cause, err)
	}
	now := time.Now().UTC()
	r.info.Status, r.info.Finished, r.info.Trials = status, &now, map[Status]int{}
	for _, t := range trials {
		r.info.Trials[t.Status]++
	}
	if cause != nil {
		r.info.Error = cause.Error()
	}
	sums, sumErr := checksums(r.Dir, r.sums)
	r.info.Files, r.info.Resumable = sums, resumable
	kept := resumable || r.info.Retryable
	if spare := r.spare(); !kept {
		maps.DeleteFunc(sums, func(name, _ string) bool { return slices.Contains(spare, strings.Split(name, "/")[0]) })
	}
	if err := cmp.Or(err, sumErr, r.sync(), writeInfo(r.Dir, &r.info)); err != nil || kept {
		return err
	}
	return r.Tidy()
}

// Arrived stores how far the observations of a run that goes on have been read, as the last of its
// arrivals, and the inputs, if these are not nil.
func (r *Run) Arrived(a observations.Arrival, inputs []Input) error {
	r.info.Arrivals = append(slices.Clone(r.info.Arrivals[:len(r.info.Arrivals)-1]), a)
	if inputs != nil {
		r.info.Inputs = inputs
	}
	return writeInfo(r.Dir, &r.info)
}

// Retryable says that trials have failed for a reason that may be outside of the run and
// may be fixed. The files that they need to continue are kept, as for a resumable run.
func (r *Run) Retryable() { r.info.Retryable = true }

// Ran records what the replicas on other machines did; used is nil if there are none.
func (r *Run) Ran(replicas []Replica, used *Usage) { r.info.Replicas, r.info.Usage = replicas, used }

// sync waits until all files of the manifest are on the disk, with their names.
func (r *Run) sync() error {
	var files []string
	folders := map[string]bool{r.Dir: true}
	for name := range r.info.Files {
		path := filepath.Join(r.Dir, name)
		files = append(files, path)
		for folder := filepath.Dir(path); !folders[folder]; folder = filepath.Dir(folder) {
			folders[folder] = true
		}
	}
	return errors.Join(together(files, syncFile), together(slices.Collect(maps.Keys(folders)), syncFile))
}

// together calls do for all names, several at a time, and returns the first error.
func together(names []string, do func(name string) error) error {
	var g errgroup.Group
	g.SetLimit(max(8, runtime.GOMAXPROCS(0))) // file systems write the data of several waiting calls together
	for _, name := range names {
		g.Go(func() error { return do(name) })
	}
	return g.Wait()
}

// mergeAll joins the parts of all tables. Parts whose columns differ, because an axis
// changes what is observed, are not joined. The table of failures always exists, though
// most trials have none.
func (r *Run) mergeAll() error {
	if parts, err := filepath.Glob(filepath.Join(r.Dir, "failures", "*.arrow")); err != nil || len(parts) == 0 {
		w, err := table.Create(filepath.Join(r.Dir, "failures.arrow"), r.dated(failuresColumns), nil)
		if err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
	}
	return together(parted, func(name string) error {
		err := r.merge(name)
		if errors.Is(err, table.ErrColumns) {
			return nil
		}
		return err
	})
}

// spare returns the folders that a finished run does not need: parts that have been
// joined, and checkpoints.
func (r *Run) spare() []string {
	var names []string
	for _, name := range parted {
		if _, err := os.Stat(filepath.Join(r.Dir, name+".arrow")); err == nil {
			names = append(names, name)
		}
	}
	return append(names, checkpoints)
}

// Tidy removes the folders that a finished run does not need. If rows may be added to the
// observations of the run, it keeps the parts of tables with the checkpoints.
func (r *Run) Tidy() error {
	if r.info.Arrivals != nil {
		return together(parted, func(name string) error {
			return absent(os.Rename(filepath.Join(r.Dir, name), filepath.Join(r.Dir, checkpoints, name)))
		})
	}
	return together(r.spare(), func(name string) error { return os.RemoveAll(filepath.Join(r.Dir, name)) })
}

// merge writes NAME.arrow from the parts of all trials or truths below NAME/, in order.
func (r *Run) merge(name string) error {
	parts, err := filepath.Glob(filepath.Join(r.Dir, name, "*=*.arrow"))
	if err != nil || len(parts) == 0 {
		return err
	}
	slices.SortFunc(parts, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	return table.Concat(filepath.Join(r.Dir, name+".arrow"), parts)
}

func (r *Run) writeTrials(axes []string, trials []TrialRow) error {
	n := len(trials)
	trial, replicate, truth, size, cycles := make([]int32, n), make([]int32, n), make([]int32, n), make([]int32, n), make([]int32, n)
	filter, plugin, status := make([]string, n), make([]string, n), make([]string, n)
	reference := table.Nullable[int32]{Values: make([]int32, n), Valid: make([]bool, n)}
	failure := table.Nullable[string]{Values: make([]string, n), Valid: make([]bool, n)}
	for i, t := range trials {
		trial[i], replicate[i], filter[i], plugin[i] = int32(t.Trial), int32(t.Replicate), t.Filter, t.Plugin
		truth[i], size[i], status[i], cycles[i] = int32(t.Truth), int32(t.Size), string(t.Status), int32(t.Cycles)
		reference.Values[i], reference.Valid[i] = int32(max(t.Reference, 0)), t.Reference >= 0
		failure.Values[i], failure.Valid[i] = strings.ToValidUTF8(t.Error, "?"), t.Error != ""
	}
	columns := trialsColumns
	values := []any{trial, replicate, truth, reference, filter, plugin, size, status, cycles, failure}
	for _, key := range axes {
		column, v := axisColumn(key, trials)
		columns, values = append(slices.Clip(columns), column), append(values, v)
	}
	return r.write(columns, n, values, "trials.arrow")
}

// axisColumn returns the values of an axis: as int64 if all are whole numbers, as float64
// if all are numbers, and as text otherwise.
func axisColumn(key string, trials []TrialRow) (table.Column, any) {
	kind := table.Int64
	for _, t := range trials {
		switch t.Values[key].(type) {
		case nil, int64:
		case float64:
			kind = max(kind, table.Float64)
		default:
			kind = table.Text
		}
	}
	column := table.Column{Name: key, Type: kind, Nullable: true}
	valid := make([]bool, len(trials))
	whole, real, text := make([]int64, len(trials)), make([]float64, len(trials)), make([]string, len(trials))
	for i, t := range trials {
		v, ok := t.Values[key]
		if valid[i] = ok; !ok {
			continue
		}
		switch v := v.(type) {
		case int64:
			whole[i], real[i] = v, float64(v)
		case float64:
			real[i] = v
		}
		text[i] = strings.ToValidUTF8(fmt.Sprint(v), "?")
	}
	switch kind {
	case table.Int64:
		return column, table.Nullable[int64]{Values: whole, Valid: valid}
	case table.Float64:
		return column, table.Nullable[float64]{Values: real, Valid: valid}
	}
	return column, table.Nullable[string]{Values: text, Valid: valid}
}

func (r *Run) writeMetrics(metrics []Metric) error {
	n := len(metrics)
	trial := table.Nullable[int32]{Values: make([]int32, n), Valid: make([]bool, n)}
	replicate, truth, cycles := make([]int32, n), make([]int32, n), make([]int32, n)
	filter, metric, stage, status := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	value, se := make([]float64, n), make([]float64, n)
	for i, m := range metrics {
		trial.Values[i], trial.Valid[i] = int32(m.Trial), m.Trial > 0
		replicate[i], truth[i], filter[i], metric[i], stage[i], status[i] = int32(m.Replicate), int32(m.Truth), m.Filter, m.Metric, m.Stage, string(m.Status)
		value[i], se[i], cycles[i] = m.Value, m.SE, int32(m.Cycles)
	}
	return r.write(metricsColumns, n, []any{trial, replicate, truth, filter, metric, stage, value, se, cycles, status}, "metrics.arrow")
}
