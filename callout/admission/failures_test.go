package admission

import (
	"strconv"
	"sync"
	"testing"
	"time"
)

func newFailures(perHost, perCredential float64) (*Failures, *clock) {
	c := &clock{}
	return NewFailures(FailuresConfig{PerHost: perHost, PerCredential: perCredential, Now: c.Now}), c
}

// fail lets an attempt fail n times.
func fail(f *Failures, host, credential string, n int) {
	for range n {
		f.Failed(f.Attempt(host, credential))
	}
}

func TestFailures(t *testing.T) {
	f, clock := newFailures(2, 0.5)
	expect := func(what, host, credential string, hostSpent, credentialSpent bool) {
		t.Helper()
		a := f.Attempt(host, credential)
		if got := f.HostSpent(a); got != hostSpent {
			t.Errorf("%s: host %s is spent: %v", what, host, got)
		}
		if got := f.CredentialSpent(a); got != credentialSpent {
			t.Errorf("%s: credential %s is spent: %v", what, credential, got)
		}
	}
	expect("at first", "h", "c", false, false)
	fail(f, "h", "c", 1)
	expect("after one failure", "h", "c", false, false)
	fail(f, "h", "c", 1)
	expect("after 4 s worth of the credential's", "h", "c", false, true)
	expect("another credential", "h", "d", false, false)
	expect("from another host", "i", "c", false, true)
	fail(f, "h", "d", 1)
	fail(f, "h", "e", 4)
	expect("one less than the host's", "h", "f", false, false)
	fail(f, "h", "f", 1)
	expect("after 4 s worth of the host's", "h", "f", true, false)
	expect("another host", "i", "f", false, false)

	clock.move(500*time.Millisecond - 1)
	expect("not yet", "h", "g", true, false)
	clock.move(1)
	expect("a failure's time later", "h", "c", false, true)
	fail(f, "h", "g", 1)
	expect("and one failure more", "h", "g", true, false)
	clock.move(1500 * time.Millisecond)
	expect("the credential later than the host", "h", "c", false, false)

	fail(f, "h", "c", 1000) // nothing is owed
	expect("many failures later", "h", "c", true, true)
	clock.move(2 * time.Second)
	expect("as soon as after one", "h", "c", false, false)

	clock.move(time.Hour)
	fail(f, "h", "c", 1)
	expect("an hour gives no more than the burst", "h", "c", false, false)
	fail(f, "h", "c", 1)
	expect("an hour gives no more than the burst", "h", "c", false, true)
	if hosts, credentials := f.Size(); hosts != 1 || credentials != 5 {
		t.Errorf("%d hosts, %d credentials", hosts, credentials)
	}
}

// Less than one failure in four seconds is still one.
func TestFailuresSeldom(t *testing.T) {
	f, clock := newFailures(0.1, 0)
	a := f.Attempt("h", "c")
	if f.HostSpent(a) {
		t.Error("spent at first")
	}
	f.Failed(a)
	if !f.HostSpent(a) {
		t.Error("not spent by one")
	}
	clock.move(10 * time.Second)
	if f.HostSpent(a) {
		t.Error("spent for ever")
	}
}

func TestFailuresWithoutLimit(t *testing.T) {
	for _, limits := range [][2]float64{{0, 0}, {1, 0}, {0, 1}} {
		f, _ := newFailures(limits[0], limits[1])
		fail(f, "h", "c", 10_000)
		a := f.Attempt("h", "c")
		if f.HostSpent(a) != (limits[0] > 0) || f.CredentialSpent(a) != (limits[1] > 0) {
			t.Errorf("limits %v: %v, %v", limits, f.HostSpent(a), f.CredentialSpent(a))
		}
		hosts, credentials := f.Size()
		if float64(hosts) != limits[0] || float64(credentials) != limits[1] {
			t.Errorf("limits %v: %d hosts, %d credentials", limits, hosts, credentials)
		}
	}
}

// So many are kept, and no more; who goes on failing is among them.
//
// Attack: failing with ever new credentials fills usher's memory
// Held by: a fixed number of failures is kept, those that go on among them
func TestFailuresAreBounded(t *testing.T) {
	f, _ := newFailures(1, 1)
	fail(f, "loud", "wrong", burst)
	for i := range 5 * sources {
		s := strconv.Itoa(i)
		fail(f, "host-"+s, "credential-"+s, 1)
		if i%1000 == 0 {
			fail(f, "loud", "wrong", 1)
		}
	}
	if hosts, credentials := f.Size(); hosts != sources || credentials != sources {
		t.Errorf("%d hosts, %d credentials are kept", hosts, credentials)
	}
	if a := f.Attempt("loud", "wrong"); !f.HostSpent(a) || !f.CredentialSpent(a) {
		t.Error("who goes on failing is forgotten")
	}
}

// No failure is lost, however many come at the same time.
func TestFailuresConcurrently(t *testing.T) {
	f, _ := newFailures(1, 1)
	const keys = 500
	var all sync.WaitGroup
	for range burst {
		all.Go(func() {
			for i := range keys {
				s := strconv.Itoa(i)
				fail(f, s, s, 1)
				f.HostSpent(f.Attempt(s, s))
				f.Size()
			}
		})
	}
	all.Wait()
	for i := range keys {
		s := strconv.Itoa(i)
		if a := f.Attempt(s, s); !f.HostSpent(a) || !f.CredentialSpent(a) {
			t.Errorf("a failure of %s is lost", s)
		}
	}
}

// What a credential is cannot be told from what is kept of it in another process.
func TestAttemptIsOfThisProcess(t *testing.T) {
	f, _ := newFailures(1, 1)
	g, _ := newFailures(1, 1)
	a := f.Attempt("h", "c")
	if a != f.Attempt("h", "c") {
		t.Error("the same attempt is another")
	}
	if a == g.Attempt("h", "c") {
		t.Error("two keep the same")
	}
}

func TestFailuresCostNothing(t *testing.T) {
	f, _ := newFailures(1, 1)
	for _, failed := range []int{0, 1} {
		fail(f, "bad", "bad", failed)
		n := testing.AllocsPerRun(100, func() {
			a := f.Attempt("good", "good")
			if f.HostSpent(a) || f.CredentialSpent(a) {
				t.Error("spent")
			}
		})
		if n != 0 {
			t.Errorf("%v allocations", n)
		}
	}
}

func TestHostSource(t *testing.T) {
	for host, want := range map[string]string{
		"192.0.2.7":                      "192.0.2.7",
		"::ffff:192.0.2.7":               "192.0.2.7",
		"::ffff:192.0.2.7%eth0":          "192.0.2.7",
		"2001:db8:1:2:3:4:5:6":           "2001:db8:1:2::/64",
		"2001:db8:1:2::":                 "2001:db8:1:2::/64",
		"2001:0db8:0001:0002:0:0:0:0001": "2001:db8:1:2::/64",
		"2001:DB8:1:2::1":                "2001:db8:1:2::/64",
		"2001:db8:1:3::1":                "2001:db8:1:3::/64",
		"fe80::1%eth0":                   "fe80::/64",
		"fe80::2%eth1":                   "fe80::/64",
		"::1":                            "::/64",
		"64:ff9b::192.0.2.7":             "192.0.2.7", // behind a translator
		"64:ff9b:1::192.0.2.7":           "64:ff9b:1::/64",
		"::192.0.2.7":                    "::/64", // not mapped
		"":                               "",
		"localhost":                      "localhost",
		"192.0.2.7:4222":                 "192.0.2.7:4222",
		"[2001:db8::1]":                  "[2001:db8::1]",
		"192.0.2.007":                    "192.0.2.007",
		"192.0.2.0/24":                   "192.0.2.0/24",
		"\x00\xff":                       "\x00\xff",
	} {
		if got := HostSource(host); got != want {
			t.Errorf("%q is of %q, want %q", host, got, want)
		}
	}
}

// FuzzHostSource: a source is named alike however often it is named, but for
// networks, which are no addresses.
func FuzzHostSource(f *testing.F) {
	for _, s := range []string{"192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1", "fe80::1%eth0", "::ffff:1.2.3.4%x", "", "localhost", "1.2.3.4:5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		source := HostSource(host)
		if again := HostSource(source); again != source {
			t.Errorf("%q is of %q, and that of %q", host, source, again)
		}
	})
}

// To have no credential is nobody's in particular: it is never spent.
func TestNoCredentialIsNobodys(t *testing.T) {
	f, _ := newFailures(1, 1)
	for range 100 {
		f.Failed(f.Attempt("192.0.2.1", ""))
	}
	if f.CredentialSpent(f.Attempt("192.0.2.2", "")) {
		t.Error("others without a credential are shut out")
	}
	if !f.HostSpent(f.Attempt("192.0.2.1", "good")) {
		t.Error("the host has not failed")
	}
}
