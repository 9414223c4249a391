// Package cli is the command line of plume: commands, what they print, and exit
// codes. It is the only package that knows all the others.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/experiment"
	"github.com/plume-da/plume/host/internal/remote"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/pace"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

const about = `plume runs data assimilation experiments written in TOML.

Models, observation operators and filters are plugins, each in its own process;
results are Arrow tables. Start with:

  plume init
  plume run workflow.toml`

// helpWidth is the width of help texts.
const helpWidth = 80

const exitCodes = `
Exit codes:
  0 ok                     1 failed                  2 wrong usage
  3 invalid workflow       4 plugin failure          5 some trials failed
  6 verify found differences
  129, 130, 143 stopped by SIGHUP, SIGINT, SIGTERM, or (143) by a signal with
  which an engine says that time is almost up: SIGUSR1, SIGUSR2, SIGXCPU
  141 the output pipe is closed
`

// Main runs the command line and returns the exit code.
func Main(args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "node-exec" { // the end of plume on a node; nobody types it
		return remote.Serve(versionText(), args[1:])
	}
	if len(args) == 1 && args[0] == "worker" { // likewise: it runs whole trials
		pace.Heap()
		return experiment.Work(versionText())
	}
	if code, done := watched(args, stderr); done {
		return code
	}
	pace.Heap() // not earlier: it reserves addresses, which a process that only watches may not get
	app := &app{stdout: clean(stdout), stderr: clean(stderr), stop: experiment.NewStop()}
	ctx, done := app.withInterrupts(context.Background())
	defer done()
	root := app.root()
	checkHelp(root)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if cause := context.Cause(ctx); err != nil && errors.As(cause, new(interruptError)) {
		err = cause
	}
	app.report(err)
	app.sayNext(programName(os.Args[0]))
	return exitCode(err)
}

// programName returns the name of this program for commands: only its base name if the
// shell finds the program by that.
func programName(called string) string {
	name := filepath.Base(called)
	found, err := exec.LookPath(name)
	if err != nil {
		return called
	}
	of, err := os.Stat(found)
	self, err2 := os.Stat(called)
	if called == name || err == nil && err2 == nil && os.SameFile(of, self) {
		return name
	}
	return called
}

// app holds what the commands share.
type app struct {
	stdout, stderr io.Writer // cleaned
	quiet, json    bool
	stop           *experiment.Stop       // asked for by a signal
	following      []string               // commands that may follow
	unfinished     atomic.Pointer[string] // the directory of the run in progress
	part           atomic.Pointer[string] // what the command writes, and removes when it is stopped
}

// lastWords returns the text about a command that is ended, whatever it waits for.
func (a *app) lastWords(err error) string {
	text := fmt.Sprintf("\nerror: %v\n", err)
	if part := a.part.Load(); part != nil {
		text += fmt.Sprintf("%s is left behind; remove it: rm -r %s\n", *part, word(*part))
	}
	if dir := a.unfinished.Load(); dir != nil && !a.quiet {
		text += fmt.Sprintf("\nNext:\n  %s resume %s\n", word(programName(os.Args[0])), word(*dir))
	}
	return text
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:                        "plume",
		Short:                      "Data assimilation experiments with plugins",
		Version:                    versionText(),
		Long:                       about,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 2,
		SilenceErrors:              true,
		Args:                       noSuchCommand,
		RunE:                       func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetVersionTemplate(versionLine())
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), "Flags.FlagUsages", fmt.Sprintf("Flags.FlagUsagesWrapped %d", helpWidth)) + exitCodes)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage("%v; see %s --help", err, c.CommandPath())
	})
	root.PersistentFlags().BoolVarP(&a.quiet, "quiet", "q", false, "print only results and errors")
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print results on standard output as JSON, one object per line")
	root.AddCommand(a.init(), a.validate(), a.plan(), a.run(), a.resume(), a.continueCommand(), a.follow(), a.forecast(), a.runs(), a.verify(), a.compare(), a.bench(), a.why(), a.reportCommand(), a.export(), a.plugins(), a.explain(), a.schema(), a.completion(), a.version())
	return root
}

// checkHelp has the command help refuse what is not a command, for which cobra shows all of them.
func checkHelp(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	help, _, _ := root.Find([]string{"help"}) // there is one now
	help.Args = func(_ *cobra.Command, args []string) error {
		found, rest, err := root.Find(args)
		if err != nil {
			return usage("%v", err)
		}
		return noSuchCommand(found, rest)
	}
}

func usage(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// noSuchCommand refuses arguments, because an argument of a group of commands is a
// mistyped command.
func noSuchCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	if meant := c.SuggestionsFor(args[0]); len(meant) > 0 {
		hint = fmt.Sprintf("did you mean %q? ", meant[0])
	}
	return usage("%s has no command %q; %ssee %s --help", c.CommandPath(), args[0], hint, c.CommandPath())
}

// exactly is cobra.ExactArgs with an error that says which arguments are expected.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != n {
			return usage("%s takes %s, got %d arguments; see %s --help", c.CommandPath(), what, len(args), c.CommandPath())
		}
		return nil
	}
}

// oneOrMore returns a check for one argument or more.
func oneOrMore(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usage("%s takes one or more %s; see %s --help", c.CommandPath(), what, c.CommandPath())
		}
		return nil
	}
}

// report prints err for people: findings with their place, any other error as one line
// with the output of the plugin about it.
func (a *app) report(err error) {
	var found *findings
	switch {
	case err == nil || err.Error() == "" || unread(err):
		return
	case errors.As(err, &found):
		found.print(a)
		return
	}
	c := a.colours()
	fmt.Fprintln(a.stderr, fold(fmt.Sprintf("%serror:%s %v", c.red, c.off, err), widthOf(a.stderr)))
	var e *sdk.Error
	if !errors.As(err, &e) {
		return
	}
	if e.Stderr != "" {
		fmt.Fprintf(a.stderr, "  last lines of its standard error:\n%s\n", indent(e.Stderr))
	}
	trace, _ := strings.CutSuffix(strings.TrimRight(e.Trace, "\n"), "\n"+e.What) // already printed
	if trace != "" {
		fmt.Fprintf(a.stderr, "  trace:\n%s\n", indent(trace))
	}
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    ")
}

type colours struct{ red, bold, dim, off string }

// colours returns the terminal colours of standard error.
func (a *app) colours() colours { return coloursOf(a.stderr) }

// coloursOf returns terminal colours if w is a terminal that accepts them (https://no-color.org).
func coloursOf(w io.Writer) colours {
	if !colourful(w) {
		return colours{}
	}
	return colours{red: "\x1b[1;31m", bold: "\x1b[1m", dim: "\x1b[2m", off: "\x1b[0m"}
}

func colourful(w io.Writer) bool {
	f, ok := raw(w).(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && term.IsTerminal(int(f.Fd()))
}

// say prints a line for people, unless --quiet is set.
func (a *app) say(format string, args ...any) {
	if !a.quiet {
		fmt.Fprintln(a.stderr, fold(fmt.Sprintf(format, args...), widthOf(a.stderr)))
	}
}

// sayIfSlow prints a line for people unless the timer is stopped before they wonder.
func (a *app) sayIfSlow(line string) *time.Timer {
	return time.AfterFunc(patience, func() { a.say("%s", line) })
}

// warn prints problems that do not affect the results, even if --quiet is set.
func (a *app) warn(lines ...string) {
	c := a.colours()
	for _, line := range lines {
		fmt.Fprintln(a.stderr, fold(fmt.Sprintf("%swarning:%s %s", c.bold, c.off, line), widthOf(a.stderr)))
	}
}

// plain matches text that a shell takes as one word without quotes.
var plain = regexp.MustCompile(`^[\pL\pN@%+=:,./_-]+$`)

// next stores a command that may follow, which is printed after everything else.
func (a *app) next(command string, args ...string) {
	for _, arg := range args {
		command += " " + word(arg)
	}
	a.following = append(a.following, command)
}

func (a *app) sayNext(program string) {
	if len(a.following) == 0 {
		return
	}
	a.say("\nNext:")
	for _, command := range a.following {
		a.say("  %s %s", word(program), command)
	}
}

// word quotes text that a shell would not take as one word.
func word(s string) string {
	if plain.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// findings is the error of a workflow that is not valid.
type findings struct {
	diagnostics diag.Findings
	format      string // human, json or github
}

func (f *findings) Error() string { return fmt.Sprintf("%d findings", len(f.diagnostics)) }

// codes lists the codes of the findings, each once and not more than a few.
func (f *findings) codes() string {
	const most = 5
	var codes []string
	for _, d := range f.diagnostics {
		if len(codes) < most && !slices.Contains(codes, string(d.Code)) {
			codes = append(codes, string(d.Code))
		}
	}
	return strings.Join(codes, " ")
}

func (f *findings) print(a *app) {
	format := f.format
	if a.json {
		format = "json"
	}
	switch format {
	case "json":
		fmt.Fprint(a.stdout, f.diagnostics.JSON())
	case "github":
		fmt.Fprint(a.stdout, f.diagnostics.GitHub())
	default:
		width := widthOf(a.stderr)
		fmt.Fprint(a.stderr, fold(f.diagnostics.TextWithin(width, colourful(a.stderr)), width))
		fmt.Fprintf(a.stderr, "\n%s; nothing was run\n", diag.Plural(len(f.diagnostics), "finding"))
		if width > 0 {
			fmt.Fprintf(a.stderr, "plume explain %s says more\n", f.codes())
		}
	}
}

// printJSON prints v as JSON on one line.
func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.stdout)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// printFile prints the path of a file that was written.
func (a *app) printFile(path string) error {
	if a.json {
		return a.printJSON(struct {
			File string `json:"file"`
		}{path})
	}
	_, err := fmt.Fprintln(a.stdout, path)
	return err
}
