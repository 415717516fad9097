package operator

import (
	"context"
	"encoding/json"
	"fmt"
)

// Stream is a JetStream stream, as far as its options let a publisher reach beyond
// the subject that it publishes to.
type Stream struct {
	Name     string   `json:"name"`
	Subjects []string `json:"subjects"`
	Rollup   bool     `json:"allow_rollup_hdrs"`
	Schedule bool     `json:"allow_msg_schedules"`
}

// accountsPerPage is how many accounts a server is asked for at a time.
const accountsPerPage = 256

// Streams returns the streams that the servers hold, by account (by its public key in
// operator mode), each once. Servers without JetStream have none.
func (c *Cluster) Streams(ctx context.Context, servers []Server) (map[string][]Stream, error) {
	all := map[string]map[string]Stream{}
	for offset, more := 0, true; more; offset += accountsPerPage {
		more = false
		body := fmt.Appendf(nil, `{"accounts":true,"streams":true,"config":true,"offset":%d,"limit":%d}`, offset, accountsPerPage)
		err := c.each(ctx, subjectJsz, body, servers, func(_ Server, data json.RawMessage) {
			var page struct {
				Accounts []struct {
					Name    string `json:"name"`
					ID      string `json:"id"`
					Streams []struct {
						Config Stream `json:"config"`
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
					all[a.ID][s.Config.Name] = s.Config // the same on every server that holds it
				}
			}
		})
		if err != nil {
			return nil, fmt.Errorf("ask servers for their streams: %w", err)
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
