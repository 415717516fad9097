package sessions_test

import (
	"testing"

	"usher/app/sessions"
	"usher/callout/session"
)

// BenchmarkMillion fills registries with a million sessions, and reports the bytes that each
// session takes. In "replicas" three ushers have granted a third each, and told each other.
// It takes minutes.
func BenchmarkMillion(b *testing.B) { benchmarkFill(b, 1_000_000) }

// BenchmarkQuarter is BenchmarkMillion with a quarter of the sessions. "make bench" runs it.
func BenchmarkQuarter(b *testing.B) { benchmarkFill(b, 250_000) }

func benchmarkFill(b *testing.B, count int) {
	b.Helper()
	for name, c := range crowds(count) {
		if name == "four-each" {
			continue // as in "replicas"
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				r, each := c.fill()
				b.ReportMetric(each, "B/session")
				if r.Len() != count {
					b.Fatalf("%d sessions", r.Len())
				}
			}
		})
	}
	b.Run("replicas", func(b *testing.B) {
		for b.Loop() {
			replicas(b, count)
		}
	})
}

func replicas(b *testing.B, count int) {
	b.Helper()
	c := crowds(count)["four-each"]
	before := bytes()
	all := [3]*sessions.Registry{sessions.New(), sessions.New(), sessions.New()}
	sent := 0
	for i := range all {
		var waiting []*session.Session
		for n := i; n < count; n += len(all) {
			if waiting = append(waiting, c.session(n)); len(waiting) < 1000 && n+len(all) < count {
				continue
			}
			sent += share(b, all[:], waiting)
			waiting = nil
		}
	}
	each := float64(bytes()-before) / float64(count) / float64(len(all))
	b.ReportMetric(each, "B/session")
	b.ReportMetric(float64(sent)/float64(count), "wire-B/session")
	for _, r := range all {
		if r.Len() != count {
			b.Fatalf("%d sessions", r.Len())
		}
	}
}

// share adds sessions to all registries over the wire, and returns the bytes of it.
func share(b *testing.B, all []*sessions.Registry, some []*session.Session) (sent int) {
	b.Helper()
	batches, err := sessions.Encode(some, 1<<20)
	if err != nil {
		b.Fatal(err)
	}
	for _, batch := range batches {
		sent += len(batch)
		for _, r := range all {
			got, err := sessions.Decode(batch)
			if err != nil {
				b.Fatal(err)
			}
			for _, s := range got {
				r.Add(s)
			}
		}
	}
	return sent
}

const some = 100_000

// prepared returns a registry and sessions that replace some in it.
func prepared() (*sessions.Registry, []*session.Session) {
	c := crowd{sessions: some, perUser: 4}
	r, _ := c.fill()
	again := make([]*session.Session, 0, 1000)
	for n := range cap(again) {
		again = append(again, c.session(97*n))
	}
	return r, again
}

func BenchmarkAdd(b *testing.B) {
	r, again := prepared()
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		r.Add(again[n%len(again)])
	}
}

// BenchmarkAddRemove has a principal that comes and goes with each session.
func BenchmarkAddRemove(b *testing.B) {
	r := sessions.New()
	_, some := prepared()
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		s := some[n%len(some)]
		r.Add(s)
		r.Remove(s.ID, sessions.Disconnected)
	}
}

// BenchmarkAddWhileRead is BenchmarkAdd while others read all sessions.
func BenchmarkAddWhileRead(b *testing.B) {
	r, again := prepared()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				r.Select(&sessions.Filter{Server: "NSERVER1"}, session.ID{}, 100)
			}
		}
	}()
	for n := 0; b.Loop(); n++ {
		r.Add(again[n%len(again)])
	}
	close(stop)
	<-stopped
}

func BenchmarkFind(b *testing.B) {
	r, again := prepared()
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if _, ok := r.Find(again[n%len(again)].ID); !ok {
			b.Fatal("not found")
		}
	}
}

func BenchmarkCountOfUser(b *testing.B) {
	r, again := prepared()
	for n := 0; b.Loop(); n++ {
		if r.CountOfUser(again[n%len(again)].Identity.Name) == 0 {
			b.Fatal("no session")
		}
	}
}

func BenchmarkOfUser(b *testing.B) {
	r, again := prepared()
	for n := 0; b.Loop(); n++ {
		for s := range func(yield func(*session.Session) bool) { r.OfUser(again[n%len(again)].Identity.Name, yield) } {
			_ = s
		}
	}
}

func BenchmarkSelectPage(b *testing.B) {
	r, _ := prepared()
	for b.Loop() {
		r.Select(&sessions.Filter{Project: "project7"}, session.ID{}, 100)
	}
}

func BenchmarkGroups(b *testing.B) {
	r, _ := prepared()
	for b.Loop() {
		r.Groups(nil, func(*session.Session, []session.ID) bool { return true })
	}
	b.ReportMetric(some, "sessions")
}

func BenchmarkBatch(b *testing.B) {
	_, list := prepared()
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			if _, err := sessions.Encode(list, 1<<20); err != nil {
				b.Fatal(err)
			}
		}
	})
	batches, err := sessions.Encode(list, 1<<20)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			if _, err := sessions.Decode(batches[0]); err != nil {
				b.Fatal(err)
			}
		}
	})
}
