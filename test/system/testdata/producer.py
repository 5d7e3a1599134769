"""A producer that knows nothing of Siren but this: publish a job as JSON to the exchange siren.jobs, with a lane's name as
routing key. It publishes what it reads from stdin.

    SIREN_AMQP_URL=amqp://… producer.py LANE [MESSAGE_ID] <job.json
"""

import os
import sys

import pika

lane, *message_id = sys.argv[1:]
connection = pika.BlockingConnection(pika.URLParameters(os.environ["SIREN_AMQP_URL"]))
channel = connection.channel()
channel.confirm_delivery()  # basic_publish then raises an error unless a queue has the job
properties = pika.BasicProperties(delivery_mode=2, message_id=message_id[0] if message_id else None)
channel.basic_publish("siren.jobs", lane, sys.stdin.buffer.read(), properties, mandatory=True)
connection.close()
