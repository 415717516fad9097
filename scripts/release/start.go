package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const patience = time.Minute // for what takes a second on an idle machine

// start unpacks the deb into a folder, sets usher up there, starts it beside a nats-server as
// its unit would, and stops it. Both listen on loopback.
func (a *artifacts) start(source, root string) error {
	if _, err := output("dpkg-deb", "-x", a.path(".deb"), root); err != nil {
		return err
	}
	command, err := execStart(filepath.Join(root, "usr/lib/systemd/system/usher.service"))
	if err != nil {
		return err
	}
	program, etc := filepath.Join(root, command[0]), filepath.Join(root, "etc/usher")
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	if _, err := output(program, "init", "--kv", "--listen", ports[0], "--http", ports[1], "--api", ports[2], etc); err != nil {
		return err
	}
	// As docs/how-to/systemd.md says: what usher writes is not below /etc.
	if err := edit(filepath.Join(etc, "usher.yaml"), map[string]string{
		"snapshot_file: run/": "snapshot_file: " + root + "/var/lib/usher/", "state_file: run/": "state_file: " + root + "/run/usher/",
		"token_file: run/": "token_file: " + root + "/run/usher/", "file: audit.jsonl": "file: " + root + "/var/log/usher/audit.jsonl",
	}); err != nil {
		return err
	}
	user, err := userOf(root)
	if err != nil {
		return err
	}
	for _, dir := range []string{"var/lib/usher", "run/usher", "var/log/usher"} { // as StateDirectory and the like
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
		if err := give(filepath.Join(root, dir), user); err != nil {
			return err
		}
	}
	server := exec.Command("go", "build", "-o", filepath.Join(root, "nats-server"), "github.com/nats-io/nats-server/v2")
	server.Dir, server.Stderr = source, os.Stderr
	if err := server.Run(); err != nil {
		return err
	}
	nats, err := launch(nil, nil, filepath.Join(root, "nats-server"), "-c", filepath.Join(etc, "nats-server.conf"))
	if err != nil {
		return err
	}
	defer nats.end()
	if err := give(etc, user); err != nil { // after the server has read its file
		return err
	}
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: filepath.Join(a.dir, "notify")})
	if err != nil {
		return err
	}
	defer socket.Close() //nolint:errcheck // ends with this process
	if err := reachable(filepath.Join(a.dir, "notify")); err != nil {
		return err
	}
	args := slices.Clone(command[1:])
	for i := range args {
		args[i] = strings.Replace(args[i], "/etc/", root+"/etc/", 1)
	}
	usher, err := launch(user, []string{"NOTIFY_SOCKET=" + filepath.Join(a.dir, "notify"), "WATCHDOG_USEC=30000000"}, program, args...)
	if err != nil {
		return err
	}
	defer usher.end()
	if err := told(socket, "READY=1"); err != nil {
		return fmt.Errorf("%w; usher says\n%s\nnats-server says\n%s", err, &usher.said, &nats.said)
	}
	if err := usher.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := told(socket, "STOPPING=1"); err != nil {
		return err
	}
	if err := usher.wait(); err != nil {
		return fmt.Errorf("%w; usher says\n%s", err, &usher.said)
	}
	who := "this user"
	if user != nil {
		who = fmt.Sprintf("user %d", user.Uid)
	}
	fmt.Printf("  %s as %s was ready, and stopped\n", strings.Join(command, " "), who)
	return nil
}

// execStart returns the command of a unit.
func execStart(unit string) ([]string, error) {
	text, err := os.ReadFile(unit)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		if command, ok := strings.CutPrefix(line, "ExecStart="); ok {
			return strings.Fields(command), nil
		}
	}
	return nil, fmt.Errorf("%s: no ExecStart", unit)
}

// userOf makes the user of the package below root; nil: only root can start a program as
// another user.
func userOf(root string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	if _, err := output("systemd-sysusers", "--root="+root, "usher.conf"); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(root, "etc/passwd"))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Split(line, ":"); len(fields) > 3 && fields[0] == "usher" {
			uid, err1 := strconv.ParseUint(fields[2], 10, 32)
			gid, err2 := strconv.ParseUint(fields[3], 10, 32)
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err1, err2)
		}
	}
	return nil, fmt.Errorf("no user usher in\n%s", text)
}

// give gives a folder to the user, with everything in it.
func give(dir string, user *syscall.Credential) error {
	if user == nil {
		return nil
	}
	if err := reachable(dir); err != nil {
		return err
	}
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, int(user.Uid), int(user.Gid))
	})
}

// reachable lets other users enter the temporary folders on the way to a path.
func reachable(path string) error {
	if err := os.Chmod(path, 0o777&^0o022|0o055); err != nil {
		return err
	}
	if info, err := os.Stat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		if err := os.Chmod(path, 0o777); err != nil {
			return err
		}
	}
	for dir := filepath.Dir(path); strings.HasPrefix(dir, os.TempDir()+"/"); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}

func edit(path string, changes map[string]string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for old, now := range changes {
		if !bytes.Contains(text, []byte(" "+old)) {
			return fmt.Errorf("%s: no %q: has usher init changed?", path, old)
		}
		text = bytes.ReplaceAll(text, []byte(" "+old), []byte(" "+now))
	}
	return os.WriteFile(path, text, 0o600)
}

func freePorts(n int) ([]string, error) {
	var addresses []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() //nolint:errcheck // all are open until the last has been found
		addresses = append(addresses, l.Addr().String())
	}
	return addresses, nil
}

// told waits for a notification.
func told(socket *net.UnixConn, want string) error {
	if err := socket.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	for b := make([]byte, 4096); ; {
		n, err := socket.Read(b)
		if err != nil {
			return fmt.Errorf("wait for %s: %w", want, err)
		}
		if strings.HasPrefix(string(b[:n]), want) {
			return nil
		}
	}
}

// running is a program that was started.
type running struct {
	cmd   *exec.Cmd
	said  bytes.Buffer // complete once it has ended
	ended chan error
}

func launch(user *syscall.Credential, env []string, program string, args ...string) (*running, error) {
	p := &running{cmd: exec.Command(program, args...), ended: make(chan error, 1)}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Dir = &p.said, &p.said, "/"
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: user}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.ended <- p.cmd.Wait() }()
	return p, nil
}

func (p *running) wait() error {
	select {
	case err := <-p.ended:
		p.ended <- nil
		return err
	case <-time.After(patience):
		return fmt.Errorf("%s did not end", p.cmd.Path)
	}
}

// end kills it, if it still runs.
func (p *running) end() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}
