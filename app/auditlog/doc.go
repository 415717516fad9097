// Package auditlog reads the audit: from files or from the stream, by filter, once or as it
// grows, and checks its chain.
//
// It promises that each line is returned once, in the order of its source, and that lines
// which cannot be read are left out of searches but not of checks. It changes nothing.
package auditlog
