package launch

import (
	"path/filepath"
	"testing"

	"github.com/plume-da/plume/sdk"
)

// A program that does not say where it listens is refused with what it says.
func TestConnectToGarbage(t *testing.T) {
	t.Parallel()
	_, err := Connect(t.Context(), Here, "worker", []string{filepath.Join(bin(t), "raw"), "garbage"}, func(Record) {})
	checkError(t, err, sdk.KindPlugin, `worker: wrote "loading lake model 2.1 ...\n" to standard output before the handshake`)
}
