package keyring_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"usher/callout/callouttest"
	"usher/internal/ownedfile"
	"usher/issuer"
	"usher/issuer/keyring"
)

// storeTest is a store with its directory, its events and its log.
type storeTest struct {
	store  *keyring.Store
	dir    string
	events chan keyring.ReloadEvent
	log    *logText
}

type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func openStore(t *testing.T, dir string, cfg keyring.Config) *storeTest {
	t.Helper()
	r := &storeTest{dir: dir, events: make(chan keyring.ReloadEvent, 100), log: &logText{}}
	var err error
	r.store, err = keyring.Open(keyring.StoreConfig{
		Dir: dir, Config: cfg, Log: slog.New(slog.NewTextHandler(r.log, nil)), Now: time.Now,
		OnReload: func(e keyring.ReloadEvent) { r.events <- e },
	})
	must(t, err)
	return r
}

// startStore runs the store until the test ends.
func startStore(t *testing.T, dir string, cfg keyring.Config) *storeTest {
	t.Helper()
	r := openStore(t, dir, cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.store.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		must(t, <-done)
	})
	return r
}

// next waits for the next reload event.
func (r *storeTest) next(t *testing.T) keyring.ReloadEvent {
	t.Helper()
	select {
	case e := <-r.events:
		if e.At.IsZero() || e.Err != nil && e.Changed {
			t.Errorf("event %+v", e)
		}
		return e
	case <-time.After(20 * time.Second):
		t.Fatalf("timed out waiting for a reload\n%s", r.log)
		return keyring.ReloadEvent{}
	}
}

// waitKeys waits for a reload, and checks that exactly these keys are in use then.
func (r *storeTest) waitKeys(t *testing.T, publics ...string) {
	t.Helper()
	if e := r.next(t); e.Err != nil || !e.Changed {
		t.Fatalf("event %+v", e)
	}
	r.checkKeys(t, publics...)
}

func (r *storeTest) checkKeys(t *testing.T, publics ...string) {
	t.Helper()
	k := r.store.Keyring()
	if got := len(k.Signers()) + len(k.XKeys()); got != len(publics) {
		t.Errorf("%d keys, want %d", got, len(publics))
	}
	for _, public := range publics {
		if _, signs := k.Signer(public); !signs && xkeyOf(k, public) == nil {
			t.Errorf("%s is not in use", public)
		}
	}
}

// waitLog waits until the log has a line with all these words. The line comes after the
// event.
func (r *storeTest) waitLog(t *testing.T, words ...string) {
	t.Helper()
	callouttest.Eventually(t, fmt.Sprintf("log line with %q", words), func() bool { return r.logLines(words...) > 0 })
}

// logLines counts the lines of the log that have all these words.
func (r *storeTest) logLines(words ...string) int {
	n := 0
	for line := range strings.Lines(r.log.String()) {
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			n++
		}
	}
	return n
}

func xkeyOf(k *issuer.Keyring, public string) *issuer.XKey {
	for _, x := range k.XKeys() {
		if x.PublicKey() == public {
			return x
		}
	}
	return nil
}

// replaceFile writes a file atomically.
func replaceFile(t *testing.T, dir, name, text string, mode os.FileMode) {
	t.Helper()
	writeFile(t, filepath.Join(dir, ".new"), text, mode)
	must(t, os.Rename(filepath.Join(dir, ".new"), filepath.Join(dir, name)))
}

func TestOpenStoreRefuses(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for _, cfg := range []keyring.StoreConfig{
		{},
		{Dir: t.TempDir(), Log: log},
		{Dir: t.TempDir(), Now: time.Now},
		{Dir: t.TempDir(), Log: log, Now: time.Now}, // empty
		{Dir: filepath.Join(t.TempDir(), "none"), Log: log, Now: time.Now},
	} {
		if s, err := keyring.Open(cfg); err == nil || s != nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
}

// Changes of the watched directory are loaded. An invalid directory changes nothing.
func TestStoreWatches(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	seedA, a := seedOf(t, nkeys.PrefixByteAccount)
	seedB, b := seedOf(t, nkeys.PrefixByteAccount)
	seedX, x := seedOf(t, nkeys.PrefixByteCurve)
	writeFile(t, filepath.Join(dir, "a.nk"), seedA, 0o600)
	writeFile(t, filepath.Join(dir, "x.nk"), seedX, 0o600)
	r := startStore(t, dir, keyring.Config{})
	opened := xkeyOf(r.store.Keyring(), x)

	replaceFile(t, dir, "b.nk", seedB, 0o600)
	r.waitKeys(t, a, b, x)
	if r.logLines("key added", "kind=issuer", "key="+b, "state=active") != 1 {
		t.Error("the added key is not logged")
	}
	loaded := r.store.LoadedAt()

	replaceFile(t, dir, "b.nk", "not a seed "+seedB, 0o600)
	replaceFile(t, dir, "c.nk", seedB, 0o644)
	for { // the two changes may come as two reloads
		if e := r.next(t); e.Err == nil || !strings.Contains(e.Err.Error(), "stays in use") {
			t.Fatalf("event %+v", e)
		} else if errors.Is(e.Err, ownedfile.ErrReadable) {
			break
		}
	}
	r.checkKeys(t, a, b, x)
	r.waitLog(t, "keyring not loaded", "faults=2")
	r.waitLog(t, "fault in the keyring", "b.nk")
	r.waitLog(t, "fault in the keyring", "c.nk")
	must(t, os.Remove(filepath.Join(dir, "c.nk")))
	if e := r.next(t); e.Err == nil {
		t.Fatal("an invalid seed is loaded")
	}
	replaceFile(t, dir, "b.nk", seedB, 0o600)
	if e := r.next(t); e.Err != nil || e.Changed || !r.store.LoadedAt().Equal(loaded) {
		t.Fatalf("event %+v", e)
	}
	if r.logLines("valid again") != 1 {
		t.Error("the recovery is not logged")
	}

	must(t, os.Remove(filepath.Join(dir, "a.nk")))
	r.waitKeys(t, b, x)
	if r.logLines("key removed", "key="+a) != 1 {
		t.Error("the removed key is not logged")
	}
	if xkeyOf(r.store.Keyring(), x) != opened {
		t.Error("the xkey has lost its shared keys")
	}
	must(t, os.Remove(filepath.Join(dir, "b.nk")))
	if e := r.next(t); !errors.Is(e.Err, issuer.ErrEmptyKeyring) {
		t.Fatalf("event %+v", e)
	}
	r.checkKeys(t, b, x)
	for _, seed := range []string{seedA, seedB, seedX} {
		if strings.Contains(r.log.String(), seed[:20]) {
			t.Error("the log contains a seed")
		}
	}
}

// A keyring.yaml that was removed or truncated does not change the keys in use:
// otherwise retired keys would sign again.
func TestStoreKeepsState(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	seedA, a := seedOf(t, nkeys.PrefixByteAccount)
	seedB, b := seedOf(t, nkeys.PrefixByteAccount)
	writeFile(t, filepath.Join(dir, "a.nk"), seedA, 0o600)
	writeFile(t, filepath.Join(dir, "b.nk"), seedB, 0o600)
	state := fmt.Sprintf("keys:\n  - {kind: issuer, public_key: %s, file: a.nk, state: active}\n"+
		"  - {kind: issuer, public_key: %s, file: b.nk, state: retired}\n", a, b)
	r := startStore(t, dir, keyring.Config{}) // config mode needs no keyring.yaml
	r.checkKeys(t, a, b)
	replaceFile(t, dir, keyring.StateFile, state, 0o600)
	r.waitKeys(t, a)
	for _, text := range []string{"", "# keys:\n", "keys:\n", "keys: []\n", "null\n"} {
		replaceFile(t, dir, keyring.StateFile, text, 0o600)
		if e := r.next(t); e.Err == nil || e.Changed {
			t.Fatalf("%q: event %+v", text, e)
		}
		r.checkKeys(t, a)
		replaceFile(t, dir, keyring.StateFile, state, 0o600)
		if e := r.next(t); e.Err != nil || e.Changed {
			t.Fatalf("%q: event %+v", text, e)
		}
	}
	must(t, os.Remove(filepath.Join(dir, keyring.StateFile)))
	if e := r.next(t); !errors.Is(e.Err, keyring.ErrRestart) {
		t.Fatalf("event %+v", e)
	}
	r.waitLog(t, "fault in the keyring", "keyring.yaml has been removed")
	if err := r.store.Reload(); !errors.Is(err, keyring.ErrRestart) {
		t.Errorf("got %v", err)
	}
	r.checkKeys(t, a)
	if n := r.logLines("fault in the keyring", "has been removed"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	fresh := openStore(t, dir, keyring.Config{})
	fresh.checkKeys(t, a, b)
}

// Files that are rewritten or renamed without a change of keys cause no event and no log.
func TestStoreUnchanged(t *testing.T) {
	dir := t.TempDir()
	seed, a := seedOf(t, nkeys.PrefixByteAccount)
	writeFile(t, filepath.Join(dir, "a.nk"), seed, 0o600)
	r := openStore(t, dir, keyring.Config{})
	before := r.log.String()
	must(t, r.store.Reload())
	old := time.Now().Add(-time.Hour).Truncate(time.Second)
	replaceFile(t, dir, "other.nk", seed, 0o600)
	must(t, os.Remove(filepath.Join(dir, "a.nk")))
	must(t, os.Chtimes(filepath.Join(dir, "other.nk"), old, old))
	writeFile(t, filepath.Join(dir, ".hidden"), "x", 0o644)
	must(t, r.store.Reload())
	if k := r.store.Keyring().Keys()[0]; !k.Modified.Equal(old) || filepath.Base(k.File) != "other.nk" {
		t.Errorf("%+v", k)
	}
	if len(r.events) != 0 || r.log.String() != before {
		t.Errorf("%d events\n%s", len(r.events), r.log)
	}
	r.checkKeys(t, a)
}

// Reload returns the same error each time; the watch logs it once.
func TestStoreReloadOnDemand(t *testing.T) {
	dir := t.TempDir()
	seed, a := seedOf(t, nkeys.PrefixByteAccount)
	writeFile(t, filepath.Join(dir, "a.nk"), seed, 0o600)
	r := openStore(t, dir, keyring.Config{})
	replaceFile(t, dir, "a.nk", "broken", 0o600)
	for range 2 {
		if err := r.store.Reload(); err == nil || r.next(t).Err == nil {
			t.Fatal("an invalid seed is loaded")
		}
	}
	r.checkKeys(t, a)
}

// Kubernetes mounts x.nk → ..data/x.nk and ..data → ..version, and renames a new
// ..data over the old.
func TestStoreSymlinkSwap(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	seedA, a := seedOf(t, nkeys.PrefixByteAccount)
	seedB, b := seedOf(t, nkeys.PrefixByteAccount)
	version := func(name, seed string) {
		t.Helper()
		must(t, os.Mkdir(filepath.Join(home, name), 0o700))
		writeFile(t, filepath.Join(home, name, "x.nk"), seed, 0o600)
		must(t, os.Symlink(name, filepath.Join(home, "..next")))
		must(t, os.Rename(filepath.Join(home, "..next"), filepath.Join(home, "..data")))
	}
	version("..1", seedA)
	must(t, os.Symlink("..data/x.nk", filepath.Join(home, "x.nk")))
	r := startStore(t, home, keyring.Config{})
	r.checkKeys(t, a)
	version("..2", seedB)
	must(t, os.RemoveAll(filepath.Join(home, "..1")))
	r.waitKeys(t, b)
	version("..3", seedA)
	r.waitKeys(t, a)
}

// A change of a file in another directory is noticed if a link points to it.
func TestStoreLinkToOtherDirectory(t *testing.T) {
	other, dir := t.TempDir(), t.TempDir()
	seedA, _ := seedOf(t, nkeys.PrefixByteAccount)
	seedB, b := seedOf(t, nkeys.PrefixByteAccount)
	writeFile(t, filepath.Join(other, "a.nk"), seedA, 0o600)
	must(t, os.Symlink(filepath.Join(other, "a.nk"), filepath.Join(dir, "a.nk")))
	r := startStore(t, dir, keyring.Config{})
	replaceFile(t, other, "a.nk", seedB, 0o600)
	r.waitKeys(t, b)
}

// operatorDir is a keyring directory of operator mode, with a key of the callout account
// and two keys of APP.
type operatorDir struct {
	dir               string
	callout, app      string // public keys of accounts
	signing, old, new string // of the callout account, and of APP
	oldState          issuer.KeyState
	newState          issuer.KeyState
}

func newOperatorDir(t *testing.T) *operatorDir {
	t.Helper()
	o := &operatorDir{dir: t.TempDir(), oldState: issuer.StateActive, newState: issuer.StateNext}
	_, o.callout = seedOf(t, nkeys.PrefixByteAccount)
	_, o.app = seedOf(t, nkeys.PrefixByteAccount)
	for name, public := range map[string]*string{"auth.nk": &o.signing, "old.nk": &o.old, "new.nk": &o.new} {
		seed, p := seedOf(t, nkeys.PrefixByteAccount)
		*public = p
		writeFile(t, filepath.Join(o.dir, name), seed, 0o600)
	}
	o.save(t)
	return o
}

func (o *operatorDir) save(t *testing.T) {
	t.Helper()
	replaceFile(t, o.dir, keyring.StateFile, fmt.Sprintf(`
accounts: [{name: AUTH, public_key: %s}, {name: APP, public_key: %s}]
keys:
  - {kind: signing_key, public_key: %s, account: AUTH, file: auth.nk, state: active}
  - {kind: signing_key, public_key: %s, account: APP, file: old.nk, state: %s}
  - {kind: signing_key, public_key: %s, account: APP, file: new.nk, state: %s}
`, o.callout, o.app, o.signing, o.old, o.oldState, o.new, o.newState), 0o600)
}

func TestStoreOperatorMode(t *testing.T) {
	o := newOperatorDir(t)
	r := startStore(t, o.dir, keyring.Config{Callout: "AUTH"})
	o.oldState, o.newState = issuer.StateRetiring, issuer.StateActive
	o.save(t)
	r.waitKeys(t, o.signing, o.old, o.new)
	if r.logLines("key changed", "kind=signing_key", "key="+o.old, "state=retiring", "account=APP", "was=active") != 1 ||
		r.logLines("key changed", "key="+o.new, "state=active", "was=next") != 1 || r.logLines("key ") != 2 {
		t.Errorf("log\n%s", r.log)
	}
	o.oldState = issuer.StateRetired
	o.save(t)
	r.waitKeys(t, o.signing, o.new)

	// The public key of an account can change while usher runs, but not that of the
	// callout account.
	_, o.app = seedOf(t, nkeys.PrefixByteAccount)
	o.save(t)
	r.waitKeys(t, o.signing, o.new)
	if r.logLines("account added", "account=APP", "key="+o.app) != 1 {
		t.Error("the changed account is not logged")
	}
	before := o.callout
	_, o.callout = seedOf(t, nkeys.PrefixByteAccount)
	o.save(t)
	if e := r.next(t); !errors.Is(e.Err, keyring.ErrRestart) {
		t.Fatalf("event %+v", e)
	}
	if _, ok := r.store.Keyring().For(before); !ok {
		t.Error("the callout account has changed")
	}
	r.waitLog(t, "fault in the keyring", "restart usher")

	// A fault of keyring.yaml has a line and a path.
	replaceFile(t, o.dir, keyring.StateFile, "colour: red\n", 0o600)
	if e := r.next(t); e.Err == nil {
		t.Fatal("an invalid keyring.yaml is loaded")
	}
	r.waitLog(t, "fault in the keyring", "line=1", "path=colour", "unknown key")
	if r.logLines("keyring not loaded") != 2 {
		t.Errorf("log\n%s", r.log)
	}
}

// The directory can be removed and restored.
func TestStoreDirectoryRemoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	must(t, os.Mkdir(dir, 0o700))
	seed, a := seedOf(t, nkeys.PrefixByteAccount)
	writeFile(t, filepath.Join(dir, "a.nk"), seed, 0o600)
	other, b := seedOf(t, nkeys.PrefixByteAccount)
	r := startStore(t, dir, keyring.Config{})
	replaceFile(t, dir, "b.nk", other, 0o600)
	r.waitKeys(t, a, b) // the watch works now
	must(t, os.Rename(dir, dir+"-away"))
	if e := r.next(t); !errors.Is(e.Err, os.ErrNotExist) {
		t.Fatalf("event %+v", e)
	}
	r.checkKeys(t, a, b)
	must(t, os.Rename(dir+"-away", dir))
	callouttest.Must(t, r.store.Reload()) // by itself it would take up to half a minute
	if e := r.next(t); e.Err != nil || e.Changed {
		t.Fatalf("event %+v", e)
	}
}

func TestStoreConcurrentUse(t *testing.T) {
	dir := t.TempDir()
	seedA, _ := seedOf(t, nkeys.PrefixByteAccount)
	seedB, _ := seedOf(t, nkeys.PrefixByteAccount)
	writeFile(t, filepath.Join(dir, "a.nk"), seedA, 0o600)
	r := startStore(t, dir, keyring.Config{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 30 {
				if err := r.store.Reload(); err != nil {
					t.Error(err)
				}
				if len(r.store.Keyring().Signers()) != 1 || r.store.LoadedAt().IsZero() {
					t.Error("no keyring")
				}
			}
		})
	}
	for i := range 20 {
		replaceFile(t, dir, "a.nk", []string{seedB, seedA}[i%2], 0o600)
	}
	wg.Wait()
}
