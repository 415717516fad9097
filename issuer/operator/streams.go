package operator

import (
	"context"
	"encoding/json"
	"fmt"
)

// Stream is a JetStream stream, with the options through which a publisher can affect
// other subjects than the one that it publishes to.
type Stream struct {
	Name     string   `json:"name"`
	Subjects []string `json:"subjects"`
	Rollup   bool     `json:"allow_rollup_hdrs"`
	Schedule bool     `json:"allow_msg_schedules"`
}

// accountsPerPage is the page size of a request for accounts.
const accountsPerPage = 256

// Streams returns the streams on the servers, each once, by account: by its public key
// in operator mode, else by its name. Servers without JetStream have none.
func (c *Cluster) Streams(ctx context.Context, servers []Server) (map[string][]Stream, error) {
	all := map[string]map[string]Stream{}
	for offset, more := 0, true; more; offset += accountsPerPage {
		more = false
		body := fmt.Appendf(nil, `{"accounts":true,"streams":true,"config":true,"offset":%d,"limit":%d}`, offset, accountsPerPage)
		err := c.requestEach(ctx, subjectJsz, body, servers, func(_ Server, data json.RawMessage) {
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
					all[a.ID][s.Config.Name] = s.Config // the same on every server that has it
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
