package process

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/plume-da/plume/sdk"
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
			if i := slices.IndexFunc(m.copies, func(f string) bool { return filepath.Base(f) == filepath.Clean(name) }); i >= 0 {
				if err := duplicate(m.copies[i], path); err != nil {
					return resource(err)
				}
			}
			continue
		}
		text, after, ok := nextFile(rest)
		if rest = after; !ok {
			return sdk.Errorf(sdk.KindContract, "carry", "member %d: the %d bytes do not hold the files %v", t.first, len(t.carry), m.Carry)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return resource(err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil { //nolint:gosec // for the program, as all its files
			return resource(err)
		}
	}
	return nil
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
