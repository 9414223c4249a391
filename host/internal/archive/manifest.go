package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plume-da/plume/host/internal/observations"
)

// Status is the status of a run or a trial.
type Status string

// The statuses of runs and trials.
const (
	Running     Status = "running"
	OK          Status = "ok"
	Diverged    Status = "diverged"    // of a trial: finished, but it lost the truth or the observations
	Failed      Status = "failed"      // stopped by an error
	SomeFailed  Status = "some failed" // of a run: other trials finished
	Interrupted Status = "interrupted" // stopped by the user
	Waiting     Status = "waiting"     // of a trial: it has not begun
	Stopped     Status = "stopped"     // its program was killed; not in a manifest
)

// Info is the manifest of a run: the content of run.json.
type Info struct {
	Format    int                    `json:"format"`
	Name      string                 `json:"name"`
	Seed      int64                  `json:"seed"`
	Profile   string                 `json:"profile,omitempty"`
	Set       []string               `json:"set,omitempty"`
	Sweep     []string               `json:"sweep,omitempty"`
	Source    string                 `json:"source"`            // absolute path of the workflow file
	Resumed   int                    `json:"resumed,omitempty"` // number of times
	Plume     string                 `json:"plume"`
	Go        string                 `json:"go"`
	Workers   int                    `json:"workers"`
	Every     int                    `json:"ensemble_every,omitempty"`     // cycles whose ensembles are stored: multiples of it; 0: all
	Only      []string               `json:"ensemble_variables,omitempty"` // variables whose values are stored of ensembles; nil: all
	Members   int                    `json:"ensemble_members,omitempty"`   // most that are stored of an ensemble, at even distances; 0: all
	InProcess bool                   `json:"in_process,omitempty"`         // plugins that are part of plume ran in its process
	Notes     []string               `json:"notes,omitempty"`              // remarks on its scores
	Dates     *Dates                 `json:"dates,omitempty"`              // what model time means; nil: nothing
	Status    Status                 `json:"status"`
	Trials    map[Status]int         `json:"trials,omitempty"` // number of trials by status, when the run has ended
	Error     string                 `json:"error,omitempty"`
	Resumable bool                   `json:"resumable,omitempty"` // it has ended, but not all of its trials
	Retryable bool                   `json:"retryable,omitempty"` // trials have failed that may continue when the cause is fixed
	Started   time.Time              `json:"started"`
	Finished  *time.Time             `json:"finished,omitempty"`
	Plugins   []PluginInfo           `json:"plugins"`
	Inputs    []Input                `json:"inputs,omitempty"`
	Arrivals  []observations.Arrival `json:"arrivals,omitempty"` // how far the files of observations were read, each time
	Replicas  []Replica              `json:"replicas,omitempty"` // of plugins on other machines, since the run was last resumed
	Usage     *Usage                 `json:"usage,omitempty"`    // of these; nil: there are none
	Accepted  []Change               `json:"accepted,omitempty"` // changes of inputs that were accepted when the run was resumed
	Files     map[string]string      `json:"files,omitempty"`    // sha256 by path, when the run has ended
	Seal      string                 `json:"seal,omitempty"`     // sha256 of the manifest itself, see sealed; the last field
}

// Replica is what the replica of a plugin on another machine did.
type Replica struct {
	Plugin  string  `json:"plugin"`
	Replica int     `json:"replica"`
	Node    string  `json:"node"` // where it ran last; empty: it never started
	Job     string  `json:"job,omitempty"`
	Cores   int     `json:"cores,omitempty"`
	Memory  int64   `json:"memory,omitempty"` // bytes that were granted; 0: not limited, or not known
	GPUs    int     `json:"gpus,omitempty"`
	Seconds float64 `json:"seconds"` // since it first started
	Busy    float64 `json:"busy"`    // of these, in calls
	Calls   int     `json:"calls"`
	Lost    int     `json:"lost"` // calls that had to be made again
}

// Usage is how many replicas on other machines were busy over time.
type Usage struct {
	Every float64   `json:"every"` // seconds
	Busy  []float64 `json:"busy"`  // on average in each interval of that length, since the run was last resumed
}

// StatusText returns the status for people. Trials that diverged are results, so that a run
// with such trials is ok; the text says how many there are. That of a run that was killed says
// that its process is gone.
func (i *Info) StatusText() string {
	text := DivergedText(i.Trials)
	if i.Status == Stopped {
		text = "its process is gone"
	}
	if text != "" {
		text = ", " + text
	}
	return string(i.Status) + text
}

// Unended says that the run has not come to its end; it is empty if it has.
func (i *Info) Unended() string {
	switch i.Status {
	case Running:
		return "the run is running"
	case Stopped:
		return "the run was stopped: its process is gone"
	case Interrupted:
		return "the run was interrupted"
	}
	return ""
}

// DivergedText says how many of some trials, counted by status, have diverged; it is empty
// if none has.
func DivergedText(trials map[Status]int) string {
	all := 0
	for _, n := range trials {
		all += n
	}
	switch n := trials[Diverged]; {
	case n == 0:
		return ""
	case all == 1:
		return "the trial diverged"
	default:
		return fmt.Sprintf("%d of %d trials diverged", n, all)
	}
}

// unitsOfTime are units of the CF conventions, the largest first.
var unitsOfTime = []struct {
	name    string
	seconds float64
}{{"days", 86400}, {"hours", 3600}, {"minutes", 60}, {"seconds", 1}}

// Dates says which dates model times are.
type Dates struct {
	Start    time.Time `json:"start"`        // of model time 0
	Seconds  float64   `json:"unit_seconds"` // of one unit of model time
	Calendar string    `json:"calendar"`     // in the CF conventions
}

// Since returns model times as the CF conventions write dates: as numbers of the largest unit
// of time in which all are whole, or else of seconds, to milliseconds, and the unit in words
// such as "hours since 2026-01-01T00:00:00Z". Readers make dates of whole numbers without
// rounding errors.
func (d *Dates) Since(times []float64) (units string, values []float64) {
	values = make([]float64, len(times))
	for i, t := range times {
		values[i] = math.Round(t*d.Seconds*1e3) / 1e3
	}
	unit := unitsOfTime[len(unitsOfTime)-1]
	for _, u := range unitsOfTime {
		if !slices.ContainsFunc(values, func(v float64) bool { return math.Abs(math.Mod(v, u.seconds)) > 0 }) {
			unit = u
			break
		}
	}
	for i := range values {
		values[i] /= unit.seconds
	}
	return unit.name + " since " + d.Start.UTC().Format("2006-01-02T15:04:05.999999999Z"), values
}

// Unit returns the name of the unit of model time, such as "hours"; "" if it is none of the
// CF conventions, or d is nil.
func (d *Dates) Unit() string {
	for _, u := range unitsOfTime {
		if d != nil && d.Seconds == u.seconds {
			return u.name
		}
	}
	return ""
}

// At returns the date of a model time; false if d is nil or its calendar has other months than
// ours.
func (d *Dates) At(t float64) (time.Time, bool) {
	if d == nil || d.Calendar != "proleptic_gregorian" {
		return time.Time{}, false
	}
	whole, part := math.Modf(t * d.Seconds)
	return d.Start.UTC().AddDate(0, 0, int(whole)/86400).Add(time.Duration(int(whole)%86400)*time.Second + time.Duration(part*1e9)).Round(time.Millisecond), true
}

// PluginInfo identifies a plugin of a run.
type PluginInfo struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	Program  string `json:"program"` // base name; plume, for a plugin that is part of it
	SHA256   string `json:"sha256"`
	Manifest string `json:"manifest_sha256"`
}

// format is the version of run directories that this package reads and writes.
const format = 1

// infoFile is the manifest's name.
const infoFile = "run.json"

// ResolvedFile is the name of the workflow with all layers and defaults applied.
const ResolvedFile = "workflow.resolved.toml"

// LogFile is the name of the messages of plugins, one JSON object per line.
const LogFile = "log.jsonl"

// ReportFile and FiguresDir are the names of the output of `plume report`. It is not a
// result of the run and has no checksums.
const (
	ReportFile = "report.html"
	FiguresDir = "figures"
)

// writeInfo replaces run.json atomically.
func writeInfo(dir string, info *Info) error {
	info.Seal = unsealed
	text, err := json.MarshalIndent(info, "", "  ")
	if err != nil {
		return err
	}
	return replace(filepath.Join(dir, infoFile), true, whole(sealed(append(text, '\n'))))
}

// unsealed stands for the seal in the text that the seal is the checksum of.
var unsealed = strings.Repeat("0", hex.EncodedLen(sha256.Size))

// sealed sets the seal at the end of a manifest, which is unsealed, to the sha256 of text.
func sealed(text []byte) []byte {
	sum := sha256.Sum256(text)
	hex.Encode(text[bytes.LastIndex(text, []byte(unsealed)):], sum[:])
	return text
}

// sealRule finds the seal of a manifest: the last value, if that is a text with the key or the form of
// a seal. One of the two may be damaged.
var sealRule = regexp.MustCompile(`(?:"seal": ?"([^"]*)|": ?"([0-9a-f]{64}))"\s*}\s*$`)

// intact says whether a manifest is as it was sealed. One without a seal is of an older
// version, or was written by hand.
func intact(text []byte) bool {
	at := sealRule.FindSubmatchIndex(text)
	if at == nil {
		return true
	}
	from, to := max(at[2], at[4]), max(at[3], at[5])
	if to-from != len(unsealed) {
		return false
	}
	again := bytes.Clone(text)
	copy(again[from:], unsealed)
	return bytes.Equal(sealed(again), text)
}

// checksums returns the sha256 of every file below dir, by path with forward slashes,
// except for run.json, which holds the sums, the log, to which plugins write until they
// end, the report, and checkpoints, which have sums of their own. Sums that are known are not computed again.
func checksums(dir string, known map[string]string) (map[string]string, error) {
	dir, err := filepath.EvalSymlinks(dir) // WalkDir does not follow one
	if err != nil {
		return nil, err
	}
	sums := map[string]string{}
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		switch {
		case err != nil:
			return err
		case name == FiguresDir || name == checkpoints:
			return filepath.SkipDir
		case d.IsDir() || name == infoFile || name == LogFile || name == ReportFile:
			return nil
		}
		sum := known[name]
		if sum == "" {
			sum, err = checksum(context.Background(), path)
		}
		sums[filepath.ToSlash(name)] = sum
		return err
	})
	return sums, err
}

var buffers = sync.Pool{New: func() any { return new([1 << 16]byte) }}

// checksum returns the sha256 of a regular file.
func checksum(ctx context.Context, path string) (string, error) {
	if err := regular(path); err != nil {
		return "", err
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum, _, err := readSum(ctx, f)
	if err != nil {
		return "", err
	}
	return sum, nil
}

// readSum returns the sha256 and the number of the bytes that are left to read, until ctx is done.
func readSum(ctx context.Context, in io.Reader) (string, int64, error) {
	buffer := buffers.Get().(*[1 << 16]byte)
	defer buffers.Put(buffer)
	h := sha256.New()
	n, err := io.CopyBuffer(h, reader{ctx, in}, buffer[:]) // a plain *os.File would use a buffer of its own
	return hexOf(h), n, err
}

// reader reads until ctx is done.
type reader struct {
	ctx context.Context
	io.Reader
}

// Read implements io.Reader.
func (r reader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(b)
}
