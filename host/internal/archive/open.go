package archive

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Last is the user's name for the newest run.
const Last = "@last"

// Around returns the run directory that the directory dir is, or is in; empty if there is none.
func Around(dir string) (string, error) {
	dir, err := filepath.EvalSymlinks(dir)
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Lstat(filepath.Join(dir, infoFile)); err == nil {
			return dir, nil
		}
		above := filepath.Dir(dir)
		if above == dir {
			return "", nil
		}
		dir = above
	}
}

// Find returns the run directory for a name: a path, [Last], or the beginning of the name
// of exactly one run below root.
func Find(root, name string) (string, error) {
	if _, err := os.Stat(filepath.Join(name, infoFile)); err == nil {
		return name, nil
	}
	runs := List(root)
	if name == Last {
		return newest(root, runs)
	}
	var found []string
	for _, dir := range runs {
		id, _ := filepath.Rel(root, dir)
		if strings.HasPrefix(filepath.Base(dir), name) || strings.HasPrefix(filepath.ToSlash(id), filepath.ToSlash(name)) {
			found = append(found, dir)
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("there is no run %q: want a run directory, %s, or the first characters of the name of a run below %s", name, Last, root)
	case 1:
		return found[0], nil
	}
	most := found[max(0, len(found)-shownRuns):]
	text := fmt.Sprintf("%q could be one of %d runs; write more of the name, or %s for the last one:\n  %s", name, len(found), Last, strings.Join(most, "\n  "))
	if len(most) < len(found) {
		text += "\n  ... and earlier ones"
	}
	return "", errors.New(text)
}

// shownRuns bounds the runs that an error lists.
const shownRuns = 10

// List returns the directories of the runs below root, oldest first.
func List(root string) []string {
	runs, _ := filepath.Glob(filepath.Join(root, "*", "*", infoFile)) // the pattern is valid
	for i := range runs {
		runs[i] = filepath.Dir(runs[i])
	}
	slices.SortFunc(runs, func(a, b string) int {
		return cmp.Or(cmp.Compare(filepath.Base(a), filepath.Base(b)), cmp.Compare(a, b))
	})
	return runs
}

// newest returns the run with the last name: names begin with the time of the start.
func newest(root string, runs []string) (string, error) {
	if len(runs) == 0 {
		return "", fmt.Errorf("there are no runs below %s", root)
	}
	return slices.MaxFunc(runs, func(a, b string) int { return strings.Compare(filepath.Base(a), filepath.Base(b)) }), nil
}

// ReadInfo reads the manifest of a run.
func ReadInfo(dir string) (*Info, error) {
	err := regular(filepath.Join(dir, infoFile))
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, infoFile))
	if err != nil {
		return nil, err
	}
	info := &Info{}
	if err := json.Unmarshal(text, info); err != nil {
		return nil, fmt.Errorf("%s: not the manifest of a run: %w", filepath.Join(dir, infoFile), err)
	}
	if info.Format != format {
		return nil, fmt.Errorf("%s: format: got %d, want %d; use the version of plume that wrote the run", filepath.Join(dir, infoFile), info.Format, format)
	}
	if !intact(text) {
		return nil, fmt.Errorf("%s: %w: its seal, a sha256, does not fit; restore it, or remove the seal if you have edited the file", filepath.Join(dir, infoFile), ErrDamaged)
	}
	// Earlier versions listed checkpoints among the files.
	maps.DeleteFunc(info.Files, func(name, _ string) bool { return strings.HasPrefix(name, checkpoints+"/") })
	return info, nil
}

// ReadStatus is like [ReadInfo], but a run that is not finished and that no process is
// writing has the status Stopped.
func ReadStatus(dir string) (*Info, error) {
	info, err := ReadInfo(dir)
	if err != nil || info.Status != Running || Claimed(dir) {
		return info, err
	}
	if info, err = ReadInfo(dir); err == nil && info.Status == Running { // it may have ended in the meantime
		info.Status = Stopped
	}
	return info, err
}

func differences(a, b map[string]string, changed string) []string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(a)) {
		switch sum, ok := b[name]; {
		case !ok:
			lines = append(lines, name+" is missing")
		case sum != a[name]:
			lines = append(lines, name+" "+changed)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b)) {
		if _, ok := a[name]; !ok {
			lines = append(lines, name+" was added")
		}
	}
	return lines
}

// Compare returns what differs between the results of two runs, one line each:
// all tables but the timings and the failures, byte by byte: who was dropped shows in
// the others, and what was repeated is no result. For a table that differs the line names
// the first row and column.
func Compare(a, b string) ([]string, error) {
	first, errA := tables(a)
	second, errB := tables(b)
	if err := errors.Join(errA, errB); err != nil {
		return nil, err
	}
	lines := differences(first, second, "differs")
	for i, line := range lines {
		if name, ok := strings.CutSuffix(line, " differs"); ok {
			lines[i] = line + where(filepath.Join(a, name), filepath.Join(b, name))
		}
	}
	return lines, nil
}

// tables returns the checksums of the tables of a run that a repetition must
// reproduce.
func tables(dir string) (map[string]string, error) {
	sums, err := checksums(dir, nil)
	maps.DeleteFunc(sums, func(name, _ string) bool {
		return filepath.Ext(name) != ".arrow" || strings.HasPrefix(name, "timings") || strings.HasPrefix(name, "failures")
	})
	return sums, err
}
