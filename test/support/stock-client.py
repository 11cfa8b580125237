"""A client that shares no code with ours: Debian's python3-grpcio, and what protoc makes of proto/.

    stock-client.py stubs|reflection FOLDER TARGET CA CERTIFICATE KEY TABLE GROUP

FOLDER has the generated modules. With `reflection` only those of the standard services are used: for everything else
the server is asked. Prints what it saw as JSON.
"""
import importlib
import json
import sys
import threading

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory, symbol_database

# Longest call on a loaded machine, in seconds.
LIMIT_S = 30

ROUTING = "mcroute.v1.RoutingService"


class Stubs:
    """The modules that protoc made."""

    def __init__(self, channel):
        self._stub = importlib.import_module("mcroute.v1.routing_service_pb2_grpc").RoutingServiceStub(channel)
        self._module = importlib.import_module("mcroute.v1.routing_service_pb2")
        importlib.import_module("google.rpc.error_details_pb2")

    def message(self, name):
        return symbol_database.Default().GetSymbol(name)

    def request(self, method):
        service = self._module.DESCRIPTOR.services_by_name["RoutingService"]
        return self.message(service.methods_by_name[method].input_type.full_name)

    def call(self, method):
        return getattr(self._stub, method)


class Reflected:
    """What the server says of itself."""

    def __init__(self, channel):
        self._channel = channel
        self._pool = descriptor_pool.DescriptorPool()
        self._known = set()
        self._reflection = importlib.import_module("reflection_pb2")
        self._stub = importlib.import_module("reflection_pb2_grpc").ServerReflectionStub(channel)
        self.services = [one.name for one in self._ask(list_services="").list_services_response.service]
        for symbol in (ROUTING, "google.rpc.Status", "google.rpc.ErrorInfo"):
            self._add(self._ask(file_containing_symbol=symbol))

    def _ask(self, **question):
        request = self._reflection.ServerReflectionRequest(**question)
        (response,) = self._stub.ServerReflectionInfo(iter([request]), timeout=LIMIT_S)
        if response.HasField("error_response"):
            raise RuntimeError(f"{question}: {response.error_response.error_message}")
        return response

    def _add(self, response):
        files = [
            descriptor_pb2.FileDescriptorProto.FromString(one)
            for one in response.file_descriptor_response.file_descriptor_proto
        ]
        for file in files:
            self._add_file(file, {one.name: one for one in files})

    def _add_file(self, file, others):
        if file.name in self._known:
            return
        self._known.add(file.name)
        for name in file.dependency:
            if name in others:
                self._add_file(others[name], others)
            elif name not in self._known:
                self._add(self._ask(file_by_filename=name))
        self._pool.Add(file)

    def message(self, name):
        return self._class(self._pool.FindMessageTypeByName(name))

    def _class(self, descriptor):
        # The one is of newer versions, the other of older ones.
        if hasattr(message_factory, "GetMessageClass"):
            return message_factory.GetMessageClass(descriptor)
        return message_factory.MessageFactory(self._pool).GetPrototype(descriptor)

    def request(self, method):
        return self._class(self._pool.FindServiceByName(ROUTING).methods_by_name[method].input_type)

    def call(self, method):
        service = self._pool.FindServiceByName(ROUTING)
        # Which sides are streams is told by the message only.
        proto = descriptor_pb2.ServiceDescriptorProto()
        service.CopyToProto(proto)
        (found,) = (one for one in proto.method if one.name == method)
        kind = "_".join("stream" if one else "unary" for one in (found.client_streaming, found.server_streaming))
        return getattr(self._channel, kind)(
            f"/{ROUTING}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=self._class(service.methods_by_name[method].output_type).FromString,
        )


class Client:
    """Calls with dictionaries, as JSON has them."""

    def __init__(self, api):
        self._api = api

    def request(self, method, fields):
        return json_format.ParseDict(fields, self._api.request(method)())

    def unary(self, method, fields):
        return as_json(self._api.call(method)(self.request(method, fields), timeout=LIMIT_S))

    def stream(self, method, fields):
        return self._api.call(method)(self.request(method, fields), timeout=LIMIT_S)

    def session(self, messages):
        requests = (self.request("Modify", fields) for fields in messages)
        return [as_json(one) for one in self._api.call("Modify")(requests, timeout=LIMIT_S)]

    def refusal(self, method, fields):
        """The error of a call: its code, its sentence and the reason in its details."""
        try:
            self.unary(method, fields)
        except grpc.RpcError as error:
            trailers = {one.key: one.value for one in error.trailing_metadata()}
            status = self._api.message("google.rpc.Status").FromString(trailers["grpc-status-details-bin"])
            info = self._api.message("google.rpc.ErrorInfo")()
            status.details[0].Unpack(info)
            return {"code": error.code().name, "message": error.details(), "reason": info.reason, "domain": info.domain}
        raise RuntimeError(f"{method} was not refused")


def as_json(message):
    # Details of errors are messages that JSON has no name for without a pool of its own.
    pool = message.DESCRIPTOR.file.pool
    return json_format.MessageToDict(message, preserving_proto_field_name=True, descriptor_pool=pool)


def health(channel, service):
    """Whether it serves, as the standard service tells."""
    messages = importlib.import_module("health.v1.health_pb2")
    stub = importlib.import_module("health.v1.health_pb2_grpc").HealthStub(channel)
    status = stub.Check(messages.HealthCheckRequest(service=service), timeout=LIMIT_S).status
    return messages.HealthCheckResponse.ServingStatus.Name(status)


def put(group, **more):
    mroute = {"key": {"iif": "in0", "source": "10.9.0.1", "group": group}, "oifs": [{"interface": "out1"}]}
    return {"put": {"mroute": mroute}, **more}


def main():
    kind, folder, target, ca, certificate, key, table, group = sys.argv[1:]
    sys.path.insert(0, folder)
    files = [open(name, "rb").read() for name in (ca, key, certificate)]
    channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(*files))
    api = Stubs(channel) if kind == "stubs" else Reflected(channel)
    client = Client(api)
    here = {"table": int(table)}
    seen = {"services": getattr(api, "services", [])}
    seen["health"] = {name: health(channel, service) for name, service in (("gateway", ""), ("table", f"{ROUTING}/{table}"))}
    seen["before"] = [entry for one in client.stream("List", here) for entry in as_json(one).get("entries", [])]

    watch = client.stream("Watch", here)
    is_synced = threading.Event()
    events = []

    def follow():
        """Reads until the last rule of this program has come."""
        for message in watch:
            for event in as_json(message).get("events", []):
                if "synced" in event:
                    is_synced.set()
                    continue
                if "delete" in event:
                    events.append("-" + event["delete"]["mroute"]["group"])
                    return
                events.extend("+" + one["resource"]["mroute"]["key"]["group"] for one in event["put"]["entries"])

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    if not is_synced.wait(LIMIT_S):
        raise RuntimeError("the watch does not begin")

    first, second = group + ".1", group + ".2"
    seen["applied"] = client.unary("Apply", {**here, "owner": "stock", "changes": [put(first, id=1)]})
    changes = [put(second, id=2), put("10.0.0.1", id=3)]
    seen["session"] = client.session([{**here, "session": {"owner": "stock", "election_id": 1}}, {"changes": {"changes": changes}}])
    seen["refused"] = client.refusal("Apply", {"table": 999, "owner": "stock", "changes": [put(first)]})
    seen["wrong"] = client.refusal("Apply", {**here, "owner": "stock", "changes": [put("10.0.0.1")]})
    deletion = {"delete": {"mroute": {"iif": "in0", "source": "10.9.0.1", "group": first}}}
    seen["deleted"] = client.unary("Apply", {**here, "owner": "stock", "changes": [deletion]})
    follower.join(LIMIT_S)
    watch.cancel()
    seen["events"] = events
    seen["after"] = [entry for one in client.stream("List", here) for entry in as_json(one).get("entries", [])]
    print(json.dumps(seen))


main()
