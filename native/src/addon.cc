// What the addon exports; src/agent/kernel/native.ts says what each means.
#include <net/if.h>

#include <cerrno>

#include "adopted_socket.h"
#include "arguments.h"
#include "descriptors.h"
#include "errno_error.h"
#include "membership_socket.h"
#include "memory.h"
#include "mroute_socket.h"
#include "netlink_socket.h"
#include "notify_receiver.h"
#include "notify_socket.h"
#include "packet_socket.h"
#include "peer_credentials.h"
#include "scheduling.h"
#include "signalling_socket.h"
#include "upcall_thread.h"

namespace mcroute {

namespace {

/// The classes of one environment: worker threads have their own.
struct Classes {
  Napi::FunctionReference mrouteSocket;
  Napi::FunctionReference membershipSocket;
  Napi::FunctionReference netlinkSocket;
  Napi::FunctionReference notifyReceiver;
  Napi::FunctionReference packetSocket;
  Napi::FunctionReference signallingSocket;
  Napi::FunctionReference upcallThread;
};

Classes& classesOf(const Napi::CallbackInfo& info) { return *info.Env().GetInstanceData<Classes>(); }

Napi::Value openMrouteSocket(const Napi::CallbackInfo& info) {
  return classesOf(info).mrouteSocket.New({info[0], info[1], Napi::Boolean::New(info.Env(), false)});
}

Napi::Value adoptMrouteSocket(const Napi::CallbackInfo& info) {
  return classesOf(info).mrouteSocket.New({info[0], info[1], Napi::Boolean::New(info.Env(), true)});
}

Napi::Value openMembershipSocket(const Napi::CallbackInfo& info) {
  return classesOf(info).membershipSocket.New({info[0], info.Env().Undefined(), Napi::Boolean::New(info.Env(), false)});
}

Napi::Value adoptMembershipSocket(const Napi::CallbackInfo& info) {
  return classesOf(info).membershipSocket.New({info[0], info[1], Napi::Boolean::New(info.Env(), true)});
}

Napi::Value openNetlinkSocket(const Napi::CallbackInfo& info) { return classesOf(info).netlinkSocket.New({}); }

Napi::Value adoptPacketSocket(const Napi::CallbackInfo& info) { return classesOf(info).packetSocket.New({info[0]}); }

Napi::Value adoptSignallingSocket(const Napi::CallbackInfo& info) {
  return classesOf(info).signallingSocket.New({info[0], info[1]});
}

Napi::Value openNotifyReceiver(const Napi::CallbackInfo& info) { return classesOf(info).notifyReceiver.New({info[0]}); }

Napi::Value startUpcallThread(const Napi::CallbackInfo& info) {
  return classesOf(info).upcallThread.New({info[0], info[1], info[2]});
}

void dropRealtimeOfOthers(const Napi::CallbackInfo& info) {
  // PID_MAX_LIMIT is 2^22 threads; no one needs to spare more than a few.
  constexpr std::uint32_t kExceptLimit = 1024;
  const std::vector<int> exceptTids = arguments::integers(info[0], "exceptTids", kExceptLimit);
  checkErrno(info.Env(), dropRealtime(exceptTids), "sched_setscheduler");
}

void setDescriptorCloseOnExec(const Napi::CallbackInfo& info) {
  setCloseOnExec(info.Env(), arguments::descriptor(info[0], "fd"));
}

Napi::Value interfaceIndex(const Napi::CallbackInfo& info) {
  const unsigned index = if_nametoindex(arguments::text(info[0], "name").c_str());
  if (index == 0 && errno != ENODEV) throwErrno(info.Env(), errno, "ioctl(SIOCGIFINDEX)");
  return Napi::Number::New(info.Env(), index);
}

Napi::Object defineExports(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new Classes{
      .mrouteSocket = Napi::Persistent(MrouteSocket::define(env)),
      .membershipSocket = Napi::Persistent(MembershipSocket::define(env)),
      .netlinkSocket = Napi::Persistent(NetlinkSocket::define(env)),
      .notifyReceiver = Napi::Persistent(NotifyReceiver::define(env)),
      .packetSocket = Napi::Persistent(PacketSocket::define(env)),
      .signallingSocket = Napi::Persistent(SignallingSocket::define(env)),
      .upcallThread = Napi::Persistent(UpcallThread::define(env)),
  });
  const auto add = [&]<typename Function>(const char* name, Function function) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  add("openMrouteSocket", openMrouteSocket);
  add("adoptMrouteSocket", adoptMrouteSocket);
  add("openMembershipSocket", openMembershipSocket);
  add("adoptMembershipSocket", adoptMembershipSocket);
  add("openNetlinkSocket", openNetlinkSocket);
  add("adoptPacketSocket", adoptPacketSocket);
  add("adoptSignallingSocket", adoptSignallingSocket);
  add("startUpcallThread", startUpcallThread);
  add("dropRealtime", dropRealtimeOfOthers);
  add("notify", notify);
  add("peerCredentials", peerCredentials);
  add("openNotifyReceiver", openNotifyReceiver);
  add("createMemoryFile", createMemoryFile);
  add("lockFile", lockFile);
  add("closeDescriptor", closeDescriptor);
  add("detachStandardStreams", static_cast<void (*)(const Napi::CallbackInfo&)>(detachStandardStreams));
  add("setCloseOnExec", setDescriptorCloseOnExec);
  add("interfaceIndex", interfaceIndex);
  add("mapText", mapText);
  add("trimHeap", trimHeap);
  return exports;
}

}  // namespace

}  // namespace mcroute

// The macro makes names of its argument, so it takes one without a namespace.
static Napi::Object defineExports(Napi::Env env, Napi::Object exports) { return mcroute::defineExports(env, exports); }

NODE_API_MODULE(kernel, defineExports)
