package launch

import (
	"testing"

	"github.com/plume-da/plume/sdk"
)

// The host does not connect to a plugin that others could reach or pretend to be,
// whatever the workflow says. A test of the Python kit has a plugin with certificates.
func TestUnsafeStarts(t *testing.T) {
	for _, c := range []struct {
		mode string
		tcp  bool
		want string
	}{
		{"open", false, "listens on tcp, where others could reach it"},
		{"certified", false, "shows a certificate that it was not asked for"},
		{"open", true, "listens on TCP without a certificate"},
		{"certified", true, "listens on unix, but the workflow says TCP"},
	} {
		program := raw(t, c.mode)
		program.TCP = c.tcp
		_, err := newPool(t, Options{}).Start(t.Context(), program)
		checkError(t, err, sdk.KindPlugin, "plugin raw: "+c.want)
	}
}
