package process

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/plume-da/plume/sdk"
)

// place is the directory of one call; every run has a directory of its own in it.
type place struct {
	dir string
	m   *model
}

func (m *model) newPlace(cycle int) (*place, error) {
	dir, err := os.MkdirTemp(m.WorkDir, fmt.Sprintf("plume-process-cycle%05d-", cycle))
	if err != nil {
		return nil, resource(err)
	}
	return &place{dir, m}, nil
}

// leave removes the directory unless it contains files that are kept.
func (p *place) leave() { _ = os.Remove(p.dir) }

// prepare returns the working directory of a run, which contains only the state, the
// linked files and the copies.
func (p *place) prepare(t *task) (string, error) {
	dir := filepath.Join(p.dir, t.name())
	if err := os.RemoveAll(dir); err != nil { // of a previous attempt
		return dir, resource(err)
	}
	if err := p.m.furnish(dir); err != nil {
		return dir, resource(err)
	}
	if err := p.m.restore(dir, t); err != nil {
		return dir, err
	}
	if err := p.m.write(dir, t); err != nil {
		return dir, resource(err)
	}
	return dir, nil
}

// write writes the states of a task to the files in dir.
func (m *model) write(dir string, t *task) error {
	for _, in := range m.inputs {
		f, err := os.Create(filepath.Join(dir, in.name))
		if err != nil {
			return err
		}
		b := bufio.NewWriter(f)
		if err := in.codec.encode(b, t); err != nil {
			_ = f.Close()
			return fmt.Errorf("%s: %w", in.name, err)
		}
		if err := errors.Join(b.Flush(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// clear removes the working directory of a run unless its files are kept.
func (p *place) clear(dir string, failed bool) error {
	if p.m.Keep == "all" || failed && p.m.Keep == "failed" {
		return nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return resource(err)
	}
	return nil
}

// name returns the name of the working directory of a task.
func (t *task) name() string {
	if t.batch {
		return fmt.Sprintf("members%05d-%05d", t.members[0], t.members[len(t.members)-1])
	}
	return fmt.Sprintf("member%05d", t.members[0])
}

// unfit is the error of a number that does not fit into its place in a file. Its member fails,
// not the call.
type unfit struct{ error }

func resource(err error) error {
	if errors.As(err, new(unfit)) {
		return err
	}
	return sdk.Errorf(sdk.KindResource, "files of a command", "%v", err)
}
