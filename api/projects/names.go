package projects

import (
	"strings"

	"usher/api/rest"
)

func topicName(project, topic string) string { return "/projects/" + project + "/topics/" + topic }

func subscriptionName(project, sub string) string {
	return "/projects/" + project + "/subscriptions/" + sub
}

// parseTopicName parses "projects/P/topics/T", with or without a leading slash.
func parseTopicName(text string) (project, topic string, ok bool) {
	parts := strings.Split(strings.TrimPrefix(text, "/"), "/")
	if len(parts) != 4 || parts[0] != "projects" || parts[2] != "topics" || !rest.PathName.MatchString(parts[1]) || !rest.PathName.MatchString(parts[3]) {
		return "", "", false
	}
	return parts[1], parts[3], true
}
