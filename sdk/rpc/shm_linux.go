package rpc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

// Constants that package syscall lacks, from Linux's headers linux/memfd.h,
// linux/fcntl.h and asm/unistd.h.
const (
	mfdCloexec, mfdAllowSealing       = 0x1, 0x2
	fAddSeals                         = 1033
	sealSealing, sealShrink, sealGrow = 0x1, 0x2, 0x4
)

var memfdCreate = map[string]uintptr{"amd64": 319, "arm64": 279}[runtime.GOARCH]

// features lists the optional parts of the protocol that plugins support.
func features() []string {
	return []string{featureSeries, featureGrid, featureOrigins, featureNumbers, featureSingle, featureShared}
}

// pause waits for about as long as a slot takes to be read. time.Sleep would
// round it up to a millisecond.
func pause() {
	d := syscall.NsecToTimespec(int64(20 * time.Microsecond))
	_ = syscall.Nanosleep(&d, nil)
}

// newMemory returns the host's view of new memory, and a path by which the plugin
// can open it until done is called. The file has no other name, so nothing of it
// outlives the two processes; its pages are allocated, so the system cannot run out of
// them later; and its size is sealed, so the plugin cannot shrink it: reading past the
// end of a mapped file kills the reader.
func newMemory(name string) (m *memory, path string, done func(), err error) {
	fd, err := sealable()
	if err != nil {
		return nil, "", nil, err
	}
	done = func() { _ = syscall.Close(fd) }
	err = syscall.Fallocate(fd, 0, 0, sharedBytes)
	if err == nil {
		err = seal(fd)
	}
	if err == nil {
		m, err = mapMemory(fd)
	}
	if err != nil {
		done()
		return nil, "", nil, err
	}
	m.name, m.receives = name, slots
	copy(m.bytes, name)
	return m, fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd), done, nil
}

// sealable returns a new file without a name, whose size can be sealed.
func sealable() (int, error) {
	if memfdCreate == 0 {
		return -1, errors.ErrUnsupported
	}
	label := []byte("plume\x00")
	fd, _, errno := syscall.Syscall(memfdCreate, uintptr(unsafe.Pointer(&label[0])), mfdCloexec|mfdAllowSealing, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// seal makes the size of a file final.
func seal(fd int) error {
	if _, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), fAddSeals, sealSealing|sealShrink|sealGrow); errno != 0 {
		return errno
	}
	return nil
}

// openMemory returns the plugin's view of the host's memory. It must begin with its name,
// which shows that the path is the same file for host and plugin.
func openMemory(name, path string) (*memory, error) {
	fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer syscall.Close(fd)
	var stat syscall.Stat_t
	if err := syscall.Fstat(fd, &stat); err != nil {
		return nil, err
	}
	if stat.Size != sharedBytes {
		return nil, fmt.Errorf("%s has %d bytes; want %d", path, stat.Size, sharedBytes)
	}
	m, err := mapMemory(fd)
	if err != nil {
		return nil, err
	}
	if len(name) < 1 || len(name) > nameBytes || !bytes.HasPrefix(m.bytes, []byte(name)) {
		return nil, errors.New(path + " is another file here")
	}
	m.name, m.sends = name, slots
	return m, nil
}

// mapMemory maps a file for as long as the result is in use.
func mapMemory(fd int) (*memory, error) {
	b, err := syscall.Mmap(fd, 0, sharedBytes, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	m := &memory{bytes: b}
	runtime.AddCleanup(m, func(b []byte) { _ = syscall.Munmap(b) }, b)
	return m, nil
}
