package operator

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Stream is a JetStream stream, with the options through which a publisher can affect
// other subjects than the one that it publishes to.
type Stream struct {
	Name     string   `json:"name"`
	Subjects []string `json:"subjects"`
	Rollup   bool     `json:"allow_rollup_hdrs"`
	Schedule bool     `json:"allow_msg_schedules"`

	Metadata map[string]string `json:"metadata"`
	Mirror   *struct{}         `json:"mirror"` // nil: it is none
	Sealed   bool              `json:"sealed"`
	NoAck    bool              `json:"no_ack"`

	Messages  uint64              `json:"-"`
	Consumers map[string]Consumer `json:"-"` // by name
}

// Consumer is a consumer of a stream.
type Consumer struct {
	Durable   string            `json:"durable_name"`
	Deliver   string            `json:"deliver_subject"` // of a push consumer
	AckPolicy string            `json:"ack_policy"`
	AckWait   time.Duration     `json:"ack_wait"`
	BackOff   []time.Duration   `json:"backoff"`
	Filter    string            `json:"filter_subject"`
	Filters   []string          `json:"filter_subjects"`
	Metadata  map[string]string `json:"metadata"`

	Unread uint64 `json:"-"` // messages that were not delivered yet, or not acknowledged
}

// accountsPerPage is the page size of a request for accounts.
const accountsPerPage = 256

// Streams returns the streams on the servers, each once, by account: by its public key
// in operator mode, else by its name. Servers without JetStream have none.
func (c *Cluster) Streams(ctx context.Context, servers []Server) (map[string][]Stream, error) {
	all := map[string]map[string]Stream{}
	for offset, more := 0, true; more; offset += accountsPerPage {
		more = false
		body := fmt.Appendf(nil, `{"accounts":true,"streams":true,"consumer":true,"config":true,"offset":%d,"limit":%d}`, offset, accountsPerPage)
		err := c.requestEach(ctx, subjectJsz, body, servers, func(_ Server, data json.RawMessage) {
			var page struct {
				Accounts []struct {
					Name    string `json:"name"`
					ID      string `json:"id"`
					Streams []struct {
						Config Stream `json:"config"`
						State  struct {
							Messages uint64 `json:"messages"`
						} `json:"state"`
						Consumers []struct {
							Name       string   `json:"name"`
							Config     Consumer `json:"config"`
							Pending    uint64   `json:"num_pending"`
							AckPending uint64   `json:"num_ack_pending"`
						} `json:"consumer_detail"`
					} `json:"stream_detail"`
				} `json:"account_details"`
			}
			if json.Unmarshal(data, &page) != nil {
				return
			}
			more = more || len(page.Accounts) == accountsPerPage
			for _, a := range page.Accounts {
				for _, s := range a.Streams {
					if all[a.ID] == nil {
						all[a.ID] = map[string]Stream{}
					}
					stream := all[a.ID][s.Config.Name]
					messages, consumers := max(stream.Messages, s.State.Messages), stream.Consumers
					stream = s.Config // the same on every server that has it
					if stream.Messages, stream.Consumers = messages, consumers; consumers == nil {
						stream.Consumers = map[string]Consumer{}
					}
					for _, c := range s.Consumers {
						c.Config.Unread = max(c.Pending+c.AckPending, stream.Consumers[c.Name].Unread)
						stream.Consumers[c.Name] = c.Config
					}
					all[a.ID][s.Config.Name] = stream
				}
			}
		})
		if err != nil {
			return nil, fmt.Errorf("list streams of the servers: %w", err)
		}
	}
	lists := map[string][]Stream{}
	for account, streams := range all {
		for _, s := range streams {
			lists[account] = append(lists[account], s)
		}
	}
	return lists, nil
}
