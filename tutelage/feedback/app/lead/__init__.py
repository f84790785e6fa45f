"""Pages for leads and researchers: how far the labels are, how good they are, and what to do about it."""

from tutelage.feedback.app.lead import agreement, disagreements, filing, labelers, labels, monitors, progress

#: One router per page, in the order of the line on top of them.
AREAS = (progress, agreement, disagreements, labelers, labels, monitors, filing)
