package remote

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-plugin"
	"github.com/plume-da/plume/host/internal/launch"
	"github.com/plume-da/plume/sdk/rpc"
)

// Serve is the main function of plume node-exec, of a version of plume: it runs on a node the plugin that a host
// asks for, over standard input and output or, with --join FILE, over a connection to the
// host that the file names. With --guard it guards the jobs of a host, see guard. It returns
// the exit code.
func Serve(version string, args []string) int {
	var in io.Reader = os.Stdin
	var out io.Writer = os.Stdout
	switch {
	case len(args) == 2 && args[0] == "--join":
		conn, err := join(args[1])
		if err != nil {
			fmt.Fprintf(os.Stderr, "plume node-exec: %v\n", err)
			return 1
		}
		in, out = conn, conn
	case len(args) == 3 && args[0] == "--guard":
		guard(args[1], args[2])
		return 0
	case len(args) > 0:
		fmt.Fprintln(os.Stderr, byHand)
		return 2
	}
	signal.Ignore(os.Interrupt, syscall.SIGPIPE) // the host decides; the end of its lines says that it is gone
	n := &node{version: version, host: &sender{to: out, mark: mark}}
	exit := n.serve(in)
	if err := n.host.send(message{Exit: &exit}); err != nil {
		return 1
	}
	return 0
}

const byHand = "plume node-exec is started by plume, on the nodes of a cluster"

// node holds one plugin.
type node struct {
	version string // of plume
	host    *sender
	ended   atomic.Pointer[launch.Exit] // why the node ended the plugin; nil: it did not
}

// serve runs the plugin that the first line of in asks for, and says how it ended.
func (n *node) serve(in io.Reader) launch.Exit {
	lines := bufio.NewReader(in)
	var first message
	text, err := lines.ReadBytes('\n')
	if err != nil || json.Unmarshal(text, &first) != nil || first.Run == nil {
		return launch.Exit{What: "was not told what to run: " + byHand}
	}
	run := first.Run
	_ = n.host.send(message{Hello: &hello{protocol, n.version, place()}})
	if run.Protocol != protocol {
		return launch.Exit{What: "is of another version of plume"} // the answer has told the host
	}
	sockets, err := socketDir()
	if err != nil {
		return launch.Exit{What: fmt.Sprintf("did not start: cannot make a directory for its socket: %v", err)}
	}
	defer os.RemoveAll(sockets)
	program := &launch.Program{Name: run.Name, Command: run.Command, Dir: run.Dir}
	child, err := launch.Here.Start(context.Background(), program, environment(run, sockets))
	if err != nil {
		return launch.Exit{What: fmt.Sprintf("did not start: %v", err), Hint: "programs and folders of a workflow must be on a file system that the machines share"}
	}
	n.watch(child, run, lines)
	var readers sync.WaitGroup
	readers.Go(func() { n.copyLines(child.Stderr()) })
	readers.Go(func() { n.introduce(child, run, bufio.NewReader(child.Stdout())) })
	exit := child.Wait()
	readers.Wait()
	if why := n.ended.Load(); why != nil {
		exit = *why
	}
	return exit
}

// socketDir makes the directory for the socket of the plugin. The path of a Unix socket is
// short.
func socketDir() (string, error) {
	const most = 60
	tmp := os.TempDir()
	if len(tmp) > most {
		tmp = "/tmp"
	}
	return os.MkdirTemp(tmp, "plume-n")
}

// engineVariables begin the names of the variables of an engine, and of the devices that
// it has granted.
var engineVariables = []string{"SLURM_", "PBS_", "LSB_", "LSF_", "SGE_", "OAR_", "FLUX_", "HQ_", "PMI", "CUDA_VISIBLE_DEVICES=", "ROCR_VISIBLE_DEVICES=", "ZE_AFFINITY_MASK=", "TMPDIR="}

// environment returns that of the plugin: what the engine says, and what the host does, which
// counts if both name a variable.
func environment(run *request, sockets string) []string {
	var env []string
	for _, v := range os.Environ() {
		if slices.ContainsFunc(engineVariables, func(begin string) bool { return strings.HasPrefix(v, begin) }) {
			env = append(env, v)
		}
	}
	if run.Cores > 0 {
		env = append(env, fmt.Sprintf("GOMAXPROCS=%d", run.Cores))
	}
	if !run.Peer {
		env = append(env, rpc.EnvConnections+"="+connections(sockets))
	}
	return append(append(env, run.Env...), plugin.EnvUnixSocketDir+"="+sockets)
}

// connections is where a plugin may take the connections of the host. It is removed as the
// sockets of plugins are.
func connections(sockets string) string { return filepath.Join(sockets, "plugin-connections") }

// lastWork is how long a peer may take to write a checkpoint when its job ends. Engines wait
// about half a minute.
const lastWork = 20 * time.Second

// watch ends the plugin when the host or the engine wants it, or when the host is gone.
func (n *node) watch(child launch.Child, run *request, lines *bufio.Reader) {
	go func() {
		for {
			var m message
			text, err := lines.ReadBytes('\n')
			if err != nil {
				n.end(launch.Exit{What: "was ended because the host is gone"})
				child.Kill()
				return
			}
			if json.Unmarshal(text, &m) == nil && m.Terminate {
				child.Terminate()
			}
		}
	}()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGXCPU)
	go func() {
		s := <-signals
		n.end(launch.Exit{What: fmt.Sprintf("was ended by its engine (%v): its job was cancelled, or its time is up,", s)})
		child.Terminate()
		if run.Peer {
			time.Sleep(lastWork)
		}
		time.Sleep(time.Second)
		child.Kill()
	}()
	go func() {
		for range time.Tick(beat) {
			_ = n.host.send(message{Alive: true})
		}
	}()
}

// end records why the node ends the plugin; the first reason counts.
func (n *node) end(why launch.Exit) { n.ended.CompareAndSwap(nil, &why) }

// introduce waits for the handshake of the plugin, and passes it on with an address on TCP.
// What is no handshake is passed on as it is: the host says what is wrong with it.
func (n *node) introduce(child launch.Child, run *request, stdout *bufio.Reader) {
	text, err := stdout.ReadSlice('\n') // of a line that does not end, the beginning
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
		return // the plugin has ended
	}
	line := string(text)
	if parts := strings.Split(strings.TrimSpace(line), "|"); len(parts) >= 5 && parts[2] == "unix" {
		g, err := newGate(run, parts[3])
		if err != nil {
			n.end(launch.Exit{What: "was ended because it cannot be reached", Hint: err.Error()})
			child.Kill()
			return
		}
		go accept(g.listener, g.admit)
		go func() {
			g.waitIdle()
			n.end(launch.Exit{What: fmt.Sprintf("was ended because the host has had no connection to it for %v", lease)})
			child.Kill()
		}()
		parts = append(parts[:5:5], g.certificate)
		parts[2], parts[3] = "tcp", g.listener.Addr().String()
		line = strings.Join(parts, "|") + "\n"
	}
	_ = n.host.send(message{Handshake: line})
	n.copyLines(stdout)
}

// copyLines passes on what the plugin writes. Long lines are cut into pieces.
func (n *node) copyLines(from io.Reader) {
	in := bufio.NewReaderSize(from, 32<<10)
	for {
		text, _, err := in.ReadLine()
		if err != nil {
			return
		}
		line := string(text)
		_ = n.host.send(message{Output: &line})
	}
}

// place returns where this process is and what it may use.
func place() launch.Place {
	p := launch.Place{Cores: runtime.NumCPU()}
	p.Node, _ = os.Hostname()
	for _, name := range []string{"SLURMD_NODENAME", "FLUX_TASK_NODE"} { // as the engine calls it
		if v := os.Getenv(name); v != "" {
			p.Node = v
		}
	}
	for _, name := range []string{"SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID", "OAR_JOB_ID", "FLUX_JOB_ID", "HQ_JOB_ID"} {
		if v := os.Getenv(name); v != "" {
			p.Job = v
			break
		}
	}
	if step := os.Getenv("SLURM_STEP_ID"); p.Job != "" && step != "" {
		p.Job += "." + step
	}
	granted := []string{"SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE", "PBS_NCPUS", "LSB_DJOB_NUMPROC", "NSLOTS", "HQ_CPUS_COUNT"}
	for _, name := range granted {
		if v, err := strconv.Atoi(os.Getenv(name)); err == nil && v > 0 {
			p.Cores = min(p.Cores, v)
			break
		}
	}
	if mb, err := strconv.ParseInt(os.Getenv("SLURM_MEM_PER_NODE"), 10, 64); err == nil {
		p.Memory = mb << 20
	}
	if devices := os.Getenv("CUDA_VISIBLE_DEVICES"); devices != "" {
		p.GPUs = len(strings.Split(devices, ","))
	}
	return p
}

// address returns the address of this machine on which the host reaches the plugin: that of
// the interface the site names, or the one towards the host.
func address(run *request) (string, error) {
	if run.Interface != "" {
		i, err := net.InterfaceByName(run.Interface)
		if err != nil {
			return "", fmt.Errorf("there is no network interface %q on this machine: see interface in the site file", run.Interface)
		}
		all, err := i.Addrs()
		if err != nil {
			return "", err
		}
		if list := reachable(all); len(list) > 0 {
			return list[0], nil
		}
		return "", fmt.Errorf("the network interface %q has no address", run.Interface)
	}
	if words := strings.Fields(os.Getenv("SSH_CONNECTION")); len(words) == 4 {
		return words[2], nil // that the host used
	}
	for _, host := range append([]string{os.Getenv("SLURM_LAUNCH_NODE_IPADDR")}, run.Hosts...) {
		if host == "" {
			continue
		}
		conn, err := net.Dial("udp", net.JoinHostPort(host, "9")) // sends nothing
		if err != nil {
			continue
		}
		defer conn.Close()
		local, _, err := net.SplitHostPort(conn.LocalAddr().String())
		return local, err
	}
	return "127.0.0.1", nil // neither has a network
}
