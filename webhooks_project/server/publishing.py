"""What is answered on the loop itself: publishing."""

from __future__ import annotations

from deliveries.api import publish_requests
from deliveries.api.publish_chunks import Outcomes
from deliveries.api.publisher import Publisher
from webhooks_project.server.messages import Answer, Request
from webhooks_project.server.serving import Server
from webhooks_project.server.site_headers import SiteHeaders


def register(server: Server) -> None:
    """Register with the server what needs no thread of its pages; the rest is Django's."""

    def deliver(outcomes: Outcomes) -> None:
        server.tell(answer_all, outcomes)

    def answer_all(outcomes: Outcomes) -> None:
        for request, answer in outcomes:
            assert isinstance(request, Request)
            if answer is None:
                server.hand_to_django(request)
            else:
                request.asker.answer(request, Answer(answer.status, answer.headers, answer.body))

    site_headers = SiteHeaders(*server.address)
    for path in publish_requests.ROUTES:  # a thread each: lone events don't wait behind batches
        publisher = Publisher(server.loop.call_soon, deliver, site_headers.of)
        server.direct[("POST", path)] = publisher.offer
        server.at_the_end.append(publisher.stop)
