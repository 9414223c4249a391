package lorenz96tracer

import (
	"testing"

	"github.com/plume-da/plume/sdk/plugintest"
)

func TestConformance(t *testing.T) {
	if err := plugintest.Check(Plugin()); err != nil {
		t.Fatal(err)
	}
}
