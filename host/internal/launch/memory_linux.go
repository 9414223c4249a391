package launch

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// heldBy returns what a process holds, from its status in /proc.
func heldBy(pid string) Held {
	sizes := fields("/proc/" + pid + "/status")
	return Held{Resident: 1024 * sizes["VmRSS"], Addresses: 1024 * sizes["VmSize"]}
}

// Held implements measured.
func (c *localChild) Held() Held { return heldBy(strconv.Itoa(c.process.Pid)) }

// measure sets r to what the machine, the control groups of this process and its limits
// leave.
func (r *Room) measure() {
	if free, ok := fields("/proc/meminfo")["MemAvailable"]; ok {
		r.All, r.Why = 1024*free, "the memory of this machine"
	}
	if free := groupRoom("/proc/self/cgroup", "/sys/fs/cgroup"); free < r.All {
		r.All, r.Why = free, "the memory limit of the control group (container or job)"
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_AS, &limit); err == nil && limit.Cur < math.MaxInt64 {
		r.Each, r.WhyEach = float64(limit.Cur), "the limit of address space (ulimit -v)"
	}
}

// groupRoom returns what the control groups of a process leave, of which groups is a list
// as in /proc/self/cgroup: those of version 2, and the memory controller of version 1,
// mounted at root. A group is limited by all that hold it. Memory that only keeps what can
// be read again counts as free. It is +Inf if there is no limit.
func groupRoom(groups, root string) float64 {
	text, err := os.ReadFile(groups)
	if err != nil {
		return math.Inf(1)
	}
	least := math.Inf(1)
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		parts := strings.SplitN(line, ":", 3)
		if len(parts) < 3 {
			continue
		}
		mount, limit, used := root, "memory.max", "memory.current"
		switch controllers := parts[1]; {
		case strings.Contains(","+controllers+",", ",memory,"):
			mount, limit, used = filepath.Join(root, "memory"), "memory.limit_in_bytes", "memory.usage_in_bytes"
		case controllers != "":
			continue
		}
		for group := filepath.Join("/", parts[2]); ; group = filepath.Dir(group) {
			dir := filepath.Join(mount, group)
			if most, ok := number(filepath.Join(dir, limit)); ok {
				now, _ := number(filepath.Join(dir, used))
				stat := fields(filepath.Join(dir, "memory.stat"))
				least = min(least, max(0, most-now+max(stat["inactive_file"], stat["total_inactive_file"])))
			}
			if group == "/" {
				break
			}
		}
	}
	return least
}

// number reads a number from a file; "max" is none.
func number(path string) (float64, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	v, err := strconv.ParseFloat(string(bytes.TrimSpace(text)), 64)
	return v, err == nil
}

// fields reads the numbers of a file with a name and a number on every line.
func fields(path string) map[string]float64 {
	values := map[string]float64{}
	text, _ := os.ReadFile(path)
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) > 1 {
			if v, err := strconv.ParseFloat(words[1], 64); err == nil {
				values[strings.TrimSuffix(words[0], ":")] = v
			}
		}
	}
	return values
}
