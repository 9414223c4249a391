package cli

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

var manDir = flag.String("man", "", "folder to write the man pages into")

// Every command has a man page with its flags. make dist writes the pages of a release by
//
//	go test ./host/internal/cli -run ManPages -man DIR
func TestManPages(t *testing.T) {
	dir := *manDir
	if dir == "" {
		dir = t.TempDir()
	}
	root := (&app{stdout: io.Discard}).root()
	root.DisableAutoGenTag = true
	header := &doc.GenManHeader{Section: "1", Source: "plume " + version, Manual: "plume"}
	if err := doc.GenManTree(root, header, dir); err != nil {
		t.Fatal(err)
	}
	var check func(c *cobra.Command)
	check = func(c *cobra.Command) {
		page, err := os.ReadFile(filepath.Join(dir, strings.ReplaceAll(c.CommandPath(), " ", "-")+".1"))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(c.LocalFlags().FlagUsages(), "\n") {
			if _, name, ok := strings.Cut(line, "--"); ok && !strings.Contains(string(page), `\fB--`+strings.Fields(name)[0]+`\fP`) {
				t.Errorf("the page of %s lacks --%s", c.CommandPath(), name)
			}
		}
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				check(sub)
			}
		}
	}
	check(root)
}
