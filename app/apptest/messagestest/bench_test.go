package messagestest_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"usher/api/wire"
	"usher/app/apptest/messagestest"
	"usher/callout/callouttest"
	"usher/directory"
)

// Each benchmark does the same work by turns with a whole usher over HTTP and without it on the
// same nats-server, with messages of 1 KiB, and reports the ratio. All of it is one process:
// what the HTTP client, usher and nats-server take comes off the same cores.
const (
	batchSize   = 100
	messageSize = 1 << 10
	turnSize    = 30 // batches of a turn
	turns       = 11 // of each, after one that warms up
)

// load is a project with a topic, which two subscriptions read.
type load struct {
	*messagestest.Site
	pub, con string // API keys
	client   *http.Client
}

func newLoad(b *testing.B) *load {
	b.Helper()
	l := &load{Site: messagestest.Start(b, messagestest.Config{}), client: keepAlive(nil)}
	b.Cleanup(l.client.CloseIdleConnections)
	l.Project(b, "shop")
	l.pub = l.Member(b, "shop", "pub", directory.RolePublisher)
	l.con = l.Member(b, "shop", "con", directory.RoleConsumer)
	l.Topic(b, "shop", "orders", "pub")
	for _, sub := range []string{"http", "nats"} {
		l.Subscription(b, "shop", sub, "orders", "con")
	}
	return l
}

// post sends a request as a client of AMS does, and writes the answer to out. It is nothing but
// the request: what a client does with messages is its own cost. Any goroutine may call it.
func (l *load) post(b *testing.B, key, path string, body []byte, out io.Writer) {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, l.Server.APIURL()+"/v1/projects/shop/"+path, bytes.NewReader(body))
	if err == nil {
		r.Header.Set("x-api-key", key)
		err = l.exchange(r, out)
	}
	if err != nil {
		b.Errorf("%s: %v", path, err)
	}
}

var errStatus = errors.New("a status other than 200")

func (l *load) exchange(r *http.Request, out io.Writer) error {
	response, err := l.client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // read only
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: %s", errStatus, response.Status)
	}
	_, err = io.Copy(out, response.Body)
	return err
}

func (l *load) jetStream(b *testing.B, user, key string) jetstream.JetStream {
	b.Helper()
	js, err := jetstream.New(l.Connect(b, user, key))
	callouttest.Must(b, err)
	return js
}

// publishBody is the body of a request that publishes n messages.
func publishBody(b *testing.B, n int) []byte {
	b.Helper()
	m := wire.Message{Data: base64.StdEncoding.EncodeToString(payload())}
	text, err := json.Marshal(wire.Publish{Messages: slices.Repeat([]wire.Message{m}, n)})
	callouttest.Must(b, err)
	return text
}

func payload() []byte { return bytes.Repeat([]byte("x"), messageSize) }

// byTurns runs both by turns, and reports the median of the ratios of their rates, and the
// medians of their rates. n is the number of messages of a turn, which prepare prepares.
func byTurns(b *testing.B, n int, prepare func(), ours, theirs func() time.Duration) {
	b.Helper()
	var ratios, us, them []float64
	b.ResetTimer()
	for b.Loop() {
		for turn := range turns + 1 {
			prepare()
			var took [2]float64
			for i := range 2 {
				which := (turn + i) % 2 // neither is always the first
				took[which] = []func() time.Duration{ours, theirs}[which]().Seconds()
			}
			if turn == 0 {
				continue
			}
			ratios, us, them = append(ratios, took[1]/took[0]), append(us, float64(n)/took[0]), append(them, float64(n)/took[1])
		}
	}
	b.ReportMetric(median(ratios), "x")
	b.ReportMetric(median(us), "http-msg/s")
	b.ReportMetric(median(them), "reference-msg/s")
	b.ReportMetric(0, "ns/op")
}

func timed(run func()) func() time.Duration {
	return func() time.Duration {
		before := time.Now()
		run()
		return time.Since(before)
	}
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// BenchmarkHTTPPublish compares batches of one HTTP client, one after the other, with one
// client of nats.go that never waits.
func BenchmarkHTTPPublish(b *testing.B) {
	l := newLoad(b)
	body, data := publishBody(b, batchSize), payload()
	js := l.jetStream(b, "pub", l.pub)
	byTurns(b, turnSize*batchSize, func() {}, timed(func() {
		for range turnSize {
			l.post(b, l.pub, "topics/orders:publish", body, io.Discard)
		}
	}), timed(func() {
		for range turnSize * batchSize {
			_, err := js.PublishAsync("shop.orders", data, jetstream.WithStallWait(time.Minute))
			callouttest.Must(b, err)
		}
		<-js.PublishAsyncComplete()
	}))
}

// BenchmarkHTTPPull compares pulls and acknowledgements, which JetStream confirms, with
// nats.go's fetches and acknowledgements, which it does not. "waits" acknowledges before it pulls
// again; "overlaps" meanwhile, as nats.go does.
func BenchmarkHTTPPull(b *testing.B) {
	for name, overlap := range map[string]bool{"waits": false, "overlaps": true} {
		b.Run(name, func(b *testing.B) { benchmarkPull(b, overlap) })
	}
}

func benchmarkPull(b *testing.B, overlap bool) {
	b.Helper()
	l := newLoad(b)
	body := publishBody(b, batchSize)
	consumer, err := l.jetStream(b, "con", l.con).Consumer(b.Context(), "shop", "nats")
	callouttest.Must(b, err)
	publish := func() { // each subscription gets a copy
		for range turnSize {
			l.post(b, l.pub, "topics/orders:publish", body, io.Discard)
		}
	}
	byTurns(b, turnSize*batchSize, publish, timed(func() {
		var answer bytes.Buffer
		var acking sync.WaitGroup
		for got := 0; got < turnSize*batchSize && !b.Failed(); {
			answer.Reset()
			l.post(b, l.con, "subscriptions/http:pull", []byte(`{"maxMessages":"100"}`), &answer)
			ids, n := ackIDs(answer.Bytes())
			got += n
			acking.Wait()
			acking.Go(func() { l.post(b, l.con, "subscriptions/http:acknowledge", ids, io.Discard) })
			if !overlap {
				acking.Wait()
			}
		}
		acking.Wait()
	}), timed(func() {
		for got := 0; got < turnSize*batchSize; {
			fetched, err := consumer.Fetch(batchSize)
			callouttest.Must(b, err)
			for m := range fetched.Messages() {
				got++
				callouttest.Must(b, m.Ack())
			}
			callouttest.Must(b, fetched.Error())
		}
	}))
}

// ackIDs makes the body of an acknowledgement of the n messages of an answer to a pull. It
// parses no more than it must: how fast a client reads JSON is its own matter.
func ackIDs(answer []byte) (body []byte, n int) {
	body = []byte(`{"ackIds":[`)
	for ; ; n++ {
		_, rest, ok := bytes.Cut(answer, []byte(`{"ackId":`))
		id, after, end := bytes.Cut(rest, []byte(`,`))
		if !ok || !end {
			return append(bytes.TrimSuffix(body, []byte(",")), "]}"...), n
		}
		body, answer = append(append(body, id...), ','), after
	}
}

// BenchmarkHTTPLatency compares the 99th percentile of a publish of one message with many
// clients at once, each of which waits for its answer, with that of as many clients of nats.go,
// and with that of one client.
func BenchmarkHTTPLatency(b *testing.B) {
	const clients, each = 64, 60
	l := newLoad(b)
	body, data := publishBody(b, 1), payload()
	all := make([]jetstream.JetStream, clients)
	for i := range all {
		all[i] = l.jetStream(b, "pub", l.pub)
	}
	http := func(int) { l.post(b, l.pub, "topics/orders:publish", body, io.Discard) }
	nats := func(i int) {
		_, err := all[i].Publish(b.Context(), "shop.orders", data)
		callouttest.Must(b, err)
	}
	var many, one, theirs, toNATS, toOne []float64
	b.ResetTimer()
	for b.Loop() {
		for turn := range turns + 1 {
			m, t, o := p99(clients, each, http), p99(clients, each, nats), p99(1, clients*each/8, http)
			if turn == 0 {
				continue
			}
			many, theirs, one = append(many, m), append(theirs, t), append(one, o)
			toNATS, toOne = append(toNATS, m/t), append(toOne, m/o)
		}
	}
	b.ReportMetric(median(toNATS), "x-nats")
	b.ReportMetric(median(toOne), "x-one")
	b.ReportMetric(median(many), "ms-p99")
	b.ReportMetric(median(one), "ms-p99-one")
	b.ReportMetric(median(theirs), "ms-p99-nats")
	b.ReportMetric(0, "ns/op")
}

// p99 returns the 99th percentile in ms of what clients take that do something each times, all
// at once.
func p99(clients, each int, do func(client int)) float64 {
	took := make([][]float64, clients)
	var running sync.WaitGroup
	for i := range clients {
		running.Go(func() {
			for range each {
				before := time.Now()
				do(i)
				took[i] = append(took[i], time.Since(before).Seconds()*1000)
			}
		})
	}
	running.Wait()
	all := slices.Concat(took...)
	slices.Sort(all)
	return all[int(math.Ceil(float64(len(all))*0.99))-1]
}
