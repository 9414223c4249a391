package process

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// setCarry checks the names of the files that are kept for each member. A file of copies with
// the same name is what a member begins with.
func (m *model) setCarry(taken map[string]string) error {
	for _, name := range m.Carry {
		if taken[filepath.Clean(name)] == "copies" {
			delete(taken, filepath.Clean(name))
		}
		if err := m.take(taken, "carry", name); err != nil {
			return err
		}
	}
	return nil
}

// keeper is a codec that can write states to where it reads them, in a file with more than them.
type keeper interface {
	put(path string, t *task) error
}

// untouched is the time of a restart file before a run: if the file still has it after the run,
// the program has not written it.
var untouched = time.Unix(1e9, 0)

// restarts reports whether an output is kept for the next run: a restart file with the state.
func (m *model) restarts() bool {
	return m.isCarried(m.Output) || slices.ContainsFunc(m.Instructions, func(file string) bool {
		return m.isCarried(strings.TrimSuffix(filepath.Base(file), ".ins"))
	})
}

// isCarried reports whether a file is kept for the next run of a member.
func (m *model) isCarried(name string) bool {
	return slices.ContainsFunc(m.Carry, func(c string) bool { return filepath.Clean(c) == filepath.Clean(name) })
}

// setRestart checks the outputs that are carried: the first run of a member needs one, too.
func (m *model) setRestart() error {
	for _, out := range m.outputs {
		if !m.isCarried(out.name) {
			continue
		}
		if _, can := out.codec.(keeper); !can {
			return config("carry", "%s is the output too, where the state cannot be written without the rest", out.name).
				WithHint("an output that is carried is a .nc, or one that instructions read; name the file with the state in output, and another with the rest in carry")
		}
		i := m.begins(out.name)
		if i < 0 {
			return config("carry", "%s holds the state, and there is none for the first run", out.name).WithHint("name one in copies")
		}
		f, err := os.Open(m.copies[i])
		if err != nil {
			return config("copies", "%v", err)
		}
		err = out.codec.decode(f, m.blank(), mat.NewDense(1, m.layout.Size(), nil))
		_ = f.Close() // only read
		if err != nil {
			return config("copies", "%s: %v", out.name, err)
		}
	}
	return nil
}

// begins returns the index in copies of the file that a member starts with; -1 if there is none.
func (m *model) begins(name string) int {
	return slices.IndexFunc(m.copies, func(f string) bool { return filepath.Base(f) == filepath.Clean(name) })
}

// put writes the state of t into its restart files in dir.
func (m *model) put(dir string, t *task) error {
	for _, out := range m.outputs {
		if !m.isCarried(out.name) {
			continue
		}
		path := filepath.Join(dir, out.name)
		err := out.codec.(keeper).put(path, t)
		if errors.As(err, new(unfit)) {
			return fmt.Errorf("%s: %w", out.name, err)
		}
		if err != nil {
			return sdk.Errorf(sdk.KindExternal, out.name, "the state of member %d cannot be written to it: %v", t.members[0], err)
		}
		if err := os.Chtimes(path, untouched, untouched); err != nil {
			return resource(err)
		}
	}
	return nil
}

// restore puts the files that the member of t carries into the directory of its run. Without
// any it leaves there what copies has of these names.
func (m *model) restore(dir string, t *task) error {
	rest := t.carry
	for _, name := range m.Carry {
		path := filepath.Join(dir, name)
		if err := os.RemoveAll(path); err != nil {
			return resource(err)
		}
		if len(t.carry) == 0 {
			if i := m.begins(name); i >= 0 {
				if err := duplicate(m.copies[i], path); err != nil {
					return resource(err)
				}
			}
			continue
		}
		text, after, ok := nextFile(rest)
		if rest = after; !ok {
			return sdk.Errorf(sdk.KindContract, "carry", "member %d: the %d bytes do not hold the files %v", t.members[0], len(t.carry), m.Carry)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return resource(err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil { //nolint:gosec // for the program, as all its files
			return resource(err)
		}
	}
	return m.put(dir, t)
}

// nextFile returns the first of the files in what a member carries, each after its length, and
// what follows it.
func nextFile(carry []byte) (text, rest []byte, ok bool) {
	if len(carry) < 8 {
		return nil, nil, false
	}
	length, rest := binary.LittleEndian.Uint64(carry), carry[8:]
	if length > uint64(len(rest)) {
		return nil, nil, false
	}
	return rest[:length], rest[length:], true
}

// carried returns the files that a run has left for the next one of its member.
func (m *model) carried(dir string) ([]byte, *failure) {
	var carry []byte
	for _, name := range m.Carry {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, &failure{what: fmt.Sprintf("left no %s, which is in carry: %s", name, m.contents(dir))}
		}
		carry = append(binary.LittleEndian.AppendUint64(carry, uint64(len(text))), text...)
	}
	return carry, nil
}
